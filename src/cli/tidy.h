/* get and share remember what they were asked for in a small database each. Nobody tells them that
 * one is not needed any more, so old ones go by themselves. Only these records, and what was kept
 * for a pipe: never data that somebody asked to have. */
#ifndef KITH_CLI_TIDY_H
#define KITH_CLI_TIDY_H

#define TIDY_AGE_DAYS 90      /* a record that nobody opened for so long is removed, */
#define TIDY_RECORDS_MAX 512u /* and the oldest ones beyond so many */
#define TIDY_CACHE_HOURS 24   /* what a killed `get -o -` left behind may be gone on with so long */

/* Removes old records from the folder. One that another kith has open stays. */
void tidy_records(const char *folder);
/* Removes from the folder what `get -o -` left there, unless one holds it (flock) or it is new. */
void tidy_cache(const char *folder);

#endif
