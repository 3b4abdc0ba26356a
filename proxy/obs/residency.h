/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_OBS_RESIDENCY_H
#define SEXTANT_OBS_RESIDENCY_H

/* Bytes by rule, partition, country of the caller and country of the cluster. One table a thread, written by that thread
 * alone and read by any; rows are only ever added. */

#include <stdbool.h>
#include <stdint.h>

#include "proxy/base/str.h"

enum { RESIDENCY_ROWS = 2048, RESIDENCY_TEXT = 96 };

struct residency_key {
    char rule[RESIDENCY_TEXT], partition[RESIDENCY_TEXT]; /* cut at the end when longer */
    char caller[3], cluster_country[3];                   /* "" when not known */
    char cluster[66];
};

struct residency;

struct residency *residency_new(void);
void residency_free(struct residency *r);
struct residency_key residency_key(
    struct str rule, struct str partition, const char *caller, struct str cluster, const char *cluster_country);
/* When the table is full, bytes go to a row whose texts are all "other". */
void residency_count(struct residency *r, const struct residency_key *key, uint64_t bytes_in, uint64_t bytes_out);

typedef void residency_row_fn(void *arg, const struct residency_key *key, uint64_t requests, uint64_t in, uint64_t out);
/* Rows of several tables added up, each key once. */
void residency_each(struct residency *const *tables, unsigned n, residency_row_fn *fn, void *arg);

#endif
