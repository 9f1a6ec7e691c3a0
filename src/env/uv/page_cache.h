/* Two ways to ask whether a range is in the page cache. Both answer to those who own the file, or
 * may write it. Inside env/uv, and for its test: who asks calls env_file_is_warm. */
#ifndef KITH_ENV_UV_PAGE_CACHE_H
#define KITH_ENV_UV_PAGE_CACHE_H

#include "env/uv/disk.h"

#define REAL_PAGES_MAX 2048u /* looked at in one call: 8 MiB, more than is lent at once */

/* cachestat(2): one call. False: this system has it not (Linux before 6.5). */
bool real_pages_counted(int fd, uint64_t offset, uint64_t size, bool *warm);
/* mincore(2), for the others: three calls. Not more than REAL_PAGES_MAX. */
bool real_pages_mapped(int fd, uint64_t offset, uint64_t size);

#endif
