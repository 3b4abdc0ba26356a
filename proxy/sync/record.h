/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_RECORD_H
#define SEXTANT_SYNC_RECORD_H

/* What the journal's records say. Each payload begins with the version of its form; one that this program does not know is
 * refused, as leaving out what was added would skip writes. Names, not numbers of this build, stand for clusters, collections and
 * operations. Pure. */

#include "proxy/sync/touch.h"

enum { RECORD_COPIES_MAX = 64 };

enum record_kind {
    RECORD_WRITE = 1,
    RECORD_OUTCOME,
    RECORD_SCHEMA,
    RECORD_FREEZE,
    RECORD_IDENTITY,
    RECORD_PROCESS = 16, /* a home's process is known from now on; without a text: it is not, and a rewind begins */
    RECORD_STATE,        /* what the points of the record that it is about were at home afterwards */
    RECORD_VOID,         /* this collection was deleted: no earlier write to it is sent again */
    RECORD_RESTORE,      /* the home is brought back from this copy; without a text: that is over */
    RECORD_FROZEN = 24,  /* writes of a partition are refused from now on, or no more */
    RECORD_HOME          /* the claim on a home is held, or was given up by order; after that: or not any more */
};

/* A write of points at home, recorded before it is sent. */
struct record_write {
    struct str partition, home, collection, incarnation; /* home: its cluster */
    const struct str *copies;                            /* clusters that it is to be brought to */
    unsigned n_copies;
    enum op_id op;
    unsigned flags;                   /* of enum touch_flags */
    const struct touch_point *points; /* distinct, in order, as touch_of() gives them */
    unsigned n_points;
    const struct str *shard_keys; /* those that the points name; the first is none */
    unsigned n_shard_keys;
    struct str query, content_type, content_encoding, body; /* as it is sent */
};

/* What came of the record that this one is about (its ref). */
enum record_result { RECORD_DONE, RECORD_REJECTED /* nothing happened */, RECORD_UNKNOWN };
struct record_outcome {
    enum record_result result;
    unsigned status; /* of the answer; 0: there was none */
};

/* A change of collections, indexes, named vectors, shard keys or aliases. */
struct record_schema {
    struct str partition, home, collection; /* no collection: aliases */
    const struct str *copies;               /* clusters that it is to be brought to */
    unsigned n_copies;
    struct str incarnation;     /* of the collection that is there; empty: none */
    struct str new_incarnation; /* given by this record to the one that it makes; empty: it makes none */
    bool removes;               /* collection, vector or shard key: what the lanes have must be walked */
    enum op_id op;
    struct str target, content_type, body;
};

/* Lanes of this home ship nothing while it is frozen. */
struct record_freeze {
    struct str home, reason;
    bool is_frozen;
};

/* Writes of a partition are refused (docs/replication.md, "Changing the map"). Drained: nothing of these collections was on its
 * way to any copy but those in `without`, so that no earlier record of them matters to a lane any more. */
enum record_freezing { RECORD_THAWED, RECORD_IS_FROZEN, RECORD_DRAINED };
struct record_frozen {
    struct str home, line, partition; /* line: its patterns, comma-separated */
    struct str without, reason, by;   /* without: copies, comma-separated */
    struct str collections;           /* of DRAINED: names, as varint_put_str() writes them */
    uint64_t since_us;                /* wall clock */
    enum record_freezing state;
};

struct record_home {
    struct str home;
    bool is_given_up;
};

/* A cluster was seen with this start-up identity. */
struct record_identity {
    struct str cluster, identity;
};

struct record_process { /* also of RECORD_VOID */
    struct str home, text;
};

enum record_restore_flags { RECORD_RESTORE_DELETES = 1, RECORD_RESTORE_OFF = 2 };

/* `from` empty: it is over. Off: it was called off, and the home stays closed. Records of the first version have no flags. */
struct record_restore {
    struct str home, from;
    unsigned flags;
};

/* Appended to `head`; the payload is `head` and then the body, which isn't copied. */
void record_put_write(const struct record_write *w, struct buf *head);
void record_put_schema(const struct record_schema *s, struct buf *head);
/* The whole payload. */
void record_put_outcome(const struct record_outcome *o, struct buf *out);
void record_put_freeze(const struct record_freeze *f, struct buf *out);
void record_put_frozen(const struct record_frozen *f, struct buf *out);
void record_put_home(const struct record_home *h, struct buf *out);
void record_put_identity(const struct record_identity *i, struct buf *out);
void record_put_process(const struct record_process *p, struct buf *out);
void record_put_restore(const struct record_restore *r, struct buf *out);
/* Begin, then so many requests as it takes. */
void record_begin_state(struct buf *out);
void record_put_state(enum op_id op, struct str body, struct buf *out);

/* Slices of the payload and what lies in the arena. False: damaged, or of another version. */
bool record_take_write(struct str payload, struct arena *arena, struct record_write *ret_write);
bool record_take_schema(struct str payload, struct arena *arena, struct record_schema *ret_schema);
bool record_take_outcome(struct str payload, struct record_outcome *ret_outcome);
bool record_take_freeze(struct str payload, struct record_freeze *ret_freeze);
bool record_take_frozen(struct str payload, struct record_frozen *ret_frozen);
bool record_take_home(struct str payload, struct record_home *ret_home);
bool record_take_identity(struct str payload, struct record_identity *ret_identity);
bool record_take_process(struct str payload, struct record_process *ret_process);
bool record_take_restore(struct str payload, struct record_restore *ret_restore);
bool record_enter_state(struct str *io);
bool record_take_state(
    struct str *io, enum op_id *ret_op, struct str *ret_body); /* one after the other, until *io is empty */

#endif
