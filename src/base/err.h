/* The errors that a call inside kith can return.
 *
 * Functions that can fail return 0 (or a count) on success and a negative enum kith_err on failure;
 * each header says which. Text for people is made at the edge (src/cli, src/node) with err_text.
 * The numbers are public: include/kith.h repeats them for embedders and node/api.c asserts that
 * the two lists agree. Append only. */
#ifndef KITH_BASE_ERR_H
#define KITH_BASE_ERR_H

enum kith_err {
    ERR_NOMEM = -1,       /* memory ran out */
    ERR_INVALID = -2,     /* an argument of ours is wrong */
    ERR_SYNTAX = -3,      /* foreign bytes do not parse */
    ERR_LIMIT = -4,       /* foreign bytes ask for more than a bound allows */
    ERR_TRUNCATED = -5,   /* more bytes are needed */
    ERR_UNSUPPORTED = -6, /* understood, and not something that we do */
    ERR_NOT_FOUND = -7,   /* no such file, torrent, peer */
    ERR_EXISTS = -8,      /* something else stands where ours should go */
    ERR_PERMISSION = -9,  /* EACCES, EPERM, EROFS */
    ERR_NO_SPACE = -10,   /* ENOSPC, EDQUOT */
    ERR_IO = -11,         /* EIO, short write, and every other disk error */
    ERR_ABSENT = -12,     /* the volume or folder that holds the data is not there */
    ERR_CHANGED = -13, /* a file is not what it was: size or time differ, or it shrank under us */
    ERR_HASH = -14,    /* data does not match its hash */
    ERR_UNSAFE_PATH = -15, /* a path would lead outside its folder */
    ERR_BUSY = -16,        /* somebody else holds the lock */
    ERR_CLOSED = -17,      /* the other side closed, or the object is closing */
    ERR_REFUSED = -18,     /* the other side refused: connection, tracker, policy */
    ERR_TIMEOUT = -19,     /* no answer in time */
    ERR_NETWORK = -20,     /* unreachable, reset, and every other network error */
    ERR_PROTOCOL = -21,    /* a peer broke the protocol */
    ERR_BLOCKED = -22,     /* the address classifier or the kill-switch forbids it */
    ERR_DATABASE = -23,    /* the state database is damaged or newer than this kith */
    ERR_CANCELLED = -24,   /* the caller asked to stop */
    ERR_AGAIN = -25,       /* nothing to do now, ask later */
    ERR_MISMATCH = -26     /* two halves disagree: hybrid torrent, metadata against info-hash */
};

/* One short clause in English for an error code, without a full stop. Never NULL. */
const char *err_text(int err);

/* The enum kith_err for a C library errno. Never 0. */
int err_from_errno(int errno_value);

#endif
