/* How long uTP takes over lines of all kinds, in virtual time: the table of docs/utp.md.
 *
 *   lines [--drift PPM]
 *
 * For each line: the time for a transfer beside the least that the line needs for it, how long
 * packets waited in the bottleneck (median, 95th percentile), and what share of them was lost
 * there. A short queue holds 30 ms of the line's rate, a long one 500 ms. */
#include "pair.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MBIT 125000u
#define PACKET_SHARE (1452.0 / 1500.0) /* of the line's bytes that are the transfer's */

static const struct {
    uint64_t rate;
    uint64_t size;
} rates[] = {{MBIT, 4u << 20}, {20 * MBIT, 32u << 20}, {100 * MBIT, 128u << 20}};
static const usec round_trips[] = {MSECS(10), MSECS(50), MSECS(300), MSECS(600)};
static const double losses[] = {0, 0.0001, 0.01};
static const double queues[] = {0.03, 0.5}; /* seconds of the line's rate */

static double drift;

static void line(uint64_t rate, uint64_t size, usec round_trip, double loss, double queue)
{
    size_t queue_bytes = (size_t)((double)rate * queue);
    struct pair_line l = {.delay = round_trip / 2,
        .rate = rate,
        .queue_max = queue_bytes < 6000 ? 6000 : queue_bytes,
        .loss = loss};
    struct pair p;
    pair_new(&p, 7, &l);
    p.end[1].clock_rate = 1 + drift * 1e-6;
    usec start = p.now;
    bool done = pair_connect(&p) && pair_exchange(&p, size, 1, SECONDS(36000));
    double took = (double)(p.now - start) / 1e6;
    double bound = (double)size / PACKET_SHARE / (double)rate + (double)round_trip * 1.5 / 1e6;
    printf("| %llu | %lld | %.2f | %.0f | %.1f | %.1f | %.2f | %u | %u | %.1f |%s\n",
        (unsigned long long)(rate / MBIT), (long long)round_trip / 1000, loss * 100, queue * 1000,
        bound, took, took / bound, pair_wait(&p, 0, 0.5), pair_wait(&p, 0, 0.95),
        100.0 * (double)p.end[0].dropped / (double)p.end[0].packets_out,
        done ? "" : " not all arrived");
    fflush(stdout);
    pair_free(&p);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--drift") == 0)
        drift = atof(argv[2]);
    puts("| Mbit/s | round trip ms | loss % | queue ms | bound s | uTP s | ratio | waited ms | 95 "
         "% | dropped % |\n"
         "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for (size_t r = 0; r < sizeof rates / sizeof *rates; r++)
        for (size_t t = 0; t < sizeof round_trips / sizeof *round_trips; t++)
            for (size_t l = 0; l < sizeof losses / sizeof *losses; l++)
                for (size_t q = 0; q < sizeof queues / sizeof *queues; q++)
                    line(rates[r].rate, rates[r].size, round_trips[t], losses[l], queues[q]);
    return 0;
}
