/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_OBS_ACCESS_LOG_H
#define SEXTANT_OBS_ACCESS_LOG_H

/* One JSON line a request. Each thread formats into a buffer of its own and writes many lines at once; whoever owns the
 * buffer flushes it when the loop has been quiet or access_log_is_full(). */

#include <stdbool.h>
#include <stdint.h>

#include "proxy/base/buf.h"
#include "proxy/base/fail.h"

enum { ACCESS_TRIES = 8 };

struct access_try {      /* one exchange */
    struct str endpoint; /* "eu/1" */
    enum fail fail;
    int status; /* 0: none came */
};

struct access_record {
    int64_t wall_us;   /* when the head was complete */
    bool hide_address; /* strict rule: place and partition are logged, the address is not */
    struct str address, place, place_source, method, path, operation, kind, collection, rule, partition, cluster,
        reason;
    struct str key, subject;   /* kind of credential; whom a token speaks for. Never the credential */
    struct str edge;           /* the other one, of a write that was forwarded: where it came from, or went */
    struct str client_subject; /* of the client's certificate */
    struct str request_id, user_agent, trace_id, parent_id;
    struct str outcome, done; /* of a write that fans out: X-Sextant-Outcome, X-Sextant-Done */
    uint64_t lsn;             /* its record in the journal; 0: none */
    uint64_t min_lsn;         /* of a read: that of the newest write that it must not be older than; 0: none */
    unsigned rule_line;
    int status;     /* 499: the client left before an answer */
    enum fail fail; /* FAIL_NONE: a cluster's own answer */
    struct access_try tries[ACCESS_TRIES];
    unsigned n_tries;    /* may be more than ACCESS_TRIES: the rest is not kept */
    bool not_replayable; /* the body was too long to be kept for sending again */
    bool was_cut;        /* the answer broke off after its beginning had gone out */
    uint64_t bytes_in, bytes_out;
    /* Microseconds since the head was complete, -1 when the phase was not reached. */
    int64_t body_us, planned_us, sent_us, first_byte_us, total_us;
};

struct access_log; /* where lines go: shared by all threads */

/* "stdout", "stderr", "off" or a file that is appended to. -errno in *ret_error and NULL when it cannot be opened. */
struct access_log *access_log_open(struct str where, int *ret_error);
void access_log_close(struct access_log *log); /* NULL is fine */
int access_log_reopen(struct access_log *log); /* files only; any thread. -errno: the old one stays */

void access_log_format(const struct access_record *record, struct buf *out); /* one line */
bool access_log_is_full(const struct buf *lines);
/* Never waits. What a slow reader of a pipe does not take stays in `lines`, up to a megabyte, for the next flush; otherwise
 * they are empty afterwards. Returns how many lines could not be written, the one cut in two included. */
unsigned access_log_flush(struct access_log *log, struct buf *lines);

#endif
