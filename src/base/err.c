/* The words for each error, and the way from a C library errno into our errors.
 *
 * Not here: what, where and what to do about it. That is added at the edge (src/cli, src/node),
 * which calls err_text for the last clause of its sentence; src/env calls err_from_errno. */
#include "base/err.h"

#include <errno.h>

const char *err_text(int err)
{
    if (err >= 0)
        return "no error";
    switch ((enum kith_err)err) {
    case ERR_NOMEM:
        return "out of memory";
    case ERR_INVALID:
        return "invalid argument";
    case ERR_SYNTAX:
        return "malformed data";
    case ERR_LIMIT:
        return "larger than allowed";
    case ERR_TRUNCATED:
        return "incomplete data";
    case ERR_UNSUPPORTED:
        return "not supported";
    case ERR_NOT_FOUND:
        return "not found";
    case ERR_EXISTS:
        return "already exists";
    case ERR_PERMISSION:
        return "permission denied";
    case ERR_NO_SPACE:
        return "no space left";
    case ERR_IO:
        return "disk error";
    case ERR_ABSENT:
        return "the volume or folder is not there";
    case ERR_CHANGED:
        return "the file has changed";
    case ERR_HASH:
        return "data does not match its hash";
    case ERR_UNSAFE_PATH:
        return "the path leads outside its folder";
    case ERR_BUSY:
        return "in use by another process";
    case ERR_CLOSED:
        return "closed";
    case ERR_REFUSED:
        return "refused";
    case ERR_TIMEOUT:
        return "no answer in time";
    case ERR_NETWORK:
        return "network error";
    case ERR_PROTOCOL:
        return "the peer broke the protocol";
    case ERR_BLOCKED:
        return "blocked by policy";
    case ERR_DATABASE:
        return "the state database is damaged or newer than this program";
    case ERR_CANCELLED:
        return "cancelled";
    case ERR_AGAIN:
        return "nothing to do yet";
    case ERR_MISMATCH:
        return "the two descriptions disagree";
    }
    return "unknown error";
}

/* ENOENT is ERR_NOT_FOUND here: only the caller knows whether what is missing is a file or the
 * volume that should hold it (ERR_ABSENT). */
int err_from_errno(int errno_value)
{
    switch (errno_value) {
    case ENOMEM:
        return ERR_NOMEM;
    case EINVAL:
    case EBADF:
    case EFAULT:
        return ERR_INVALID;
    case ENAMETOOLONG:
    case EFBIG:
    case EMFILE:
    case ENFILE:
        return ERR_LIMIT;
    case ENOSYS:
    case EOPNOTSUPP:
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
    case EXDEV:
        return ERR_UNSUPPORTED;
    case ENOENT:
    case ENOTDIR:
    case ESRCH:
        return ERR_NOT_FOUND;
    case EEXIST:
    case ENOTEMPTY:
    case EISDIR:
    case EADDRINUSE:
        return ERR_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
        return ERR_PERMISSION;
    case ENOSPC:
    case EDQUOT:
        return ERR_NO_SPACE;
    case ENODEV:
    case ENXIO:
    case ESTALE:
        return ERR_ABSENT;
    case ELOOP: /* O_NOFOLLOW met a symbolic link */
        return ERR_UNSAFE_PATH;
    case EBUSY:
    case ETXTBSY:
        return ERR_BUSY;
    case EPIPE:
    case ESHUTDOWN:
        return ERR_CLOSED;
    case ECONNREFUSED:
        return ERR_REFUSED;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    case ECONNRESET:
    case ECONNABORTED:
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETUNREACH:
    case ENETDOWN:
    case ENETRESET:
    case ENOTCONN:
    case ENOBUFS:
    case EADDRNOTAVAIL:
    case EMSGSIZE:
        return ERR_NETWORK;
    case ECANCELED:
        return ERR_CANCELLED;
    case EAGAIN:
#if EWOULDBLOCK != EAGAIN
    case EWOULDBLOCK:
#endif
    case EINPROGRESS:
    case EINTR:
        return ERR_AGAIN;
    default:
        return ERR_IO;
    }
}
