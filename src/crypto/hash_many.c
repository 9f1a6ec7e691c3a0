/* Many messages side by side. */
#include "crypto/hash.h"

#include "crypto/hash_kernel.h"

void hash_many(enum hash_algorithm algorithm, const struct hash_job *jobs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        hash_job_openssl(algorithm, &jobs[i]);
}

const char *hash_kernel_name(enum hash_algorithm algorithm)
{
    (void)algorithm;
    return "openssl";
}
