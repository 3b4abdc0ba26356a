/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may write to a home: two processes and one claim, in steps of one period, each of which may stand still for any time. The
 * first holds the claim; the second is started meanwhile. KIND says what the second one is:
 *
 *  SAME    the successor: the very same journal directory, opened once the first is dead (the lock of the directory)
 *  COPY    a copy of the directory, made at some moment while the first was alive
 *  OTHER   another journal, that an operator lets replace the claim: all its lanes walk, once late requests are gone
 *
 * Never may both send. And what the first one made of the home, the second must know when all is quiet: by its journal, by a walk
 * or by refusing to go on. test_models.py checks it whole, and that each rule taken away (-DRULE=0) is missed. Rules, as in
 * proxy/sync/tenure.h:
 *
 *  FENCE   a holder sends for two periods from when the newest confirmed renewal began, no longer
 *  WATCH   a claim must rest for three periods before it is taken
 *  CONDITION  a claim is replaced only if it still is the one that was read, wherever late requests are
 *  NUMBER  what is read says which attempt landed: only that one is confirmed
 *  START   a claim by another start of the same journal stops a holder
 *  BEHIND  a claim that knows of records which the journal lacks is not taken
 *  WALK    another journal's lanes walk
 *
 * LOSSES: the home loses its last renewal with its power. Of two that live the claim alone cannot say then which one may send, but both
 * see another process of the home, and send nothing before they have asked it (owner_rewind.c, which is not in here).
 * LIMIT: what the first one recorded after the last renewal that landed counts as known. In a copy it isn't: see test_models.py.
 */
#define SAME 1
#define COPY 2
#define OTHER 3
#ifndef KIND
#define KIND SAME
#endif
#ifndef FENCE
#define FENCE 1
#endif
#ifndef WATCH
#define WATCH 1
#endif
#ifndef CONDITION
#define CONDITION 1
#endif
#ifndef NUMBER
#define NUMBER 1
#endif
#ifndef START
#define START 1
#endif
#ifndef BEHIND
#define BEHIND 1
#endif
#ifndef WALK
#define WALK 1
#endif
#ifndef LIMIT
#define LIMIT (KIND == COPY)
#endif
#ifndef WRITES
#define WRITES 1
#endif
#ifndef ATTEMPTS
#define ATTEMPTS 3
#endif

#ifndef LOSSES
#define LOSSES (KIND == SAME)
#endif

#define HELD_PERIODS 2
#define WATCH_PERIODS 3

byte who = 1, number = 1, knows;        /* the claim: by which process, which attempt, up to which record */
byte landed;                            /* newest write of the first one that home took */

typedef Process {
    bool held, stopped;
    byte confirmed, drafted;            /* periods since the newest confirmed renewal, and the newest attempt, began; 3: or more */
    byte draft, seen_who, seen;         /* its number; the claim it is to replace */
    bool waits                          /* for what is read after the attempt */
};
Process a, b;
typedef Request { bool flies; byte who, number, knows, if_who, if_number };
Request request[3];                     /* two of the first one, which may be late, and one of the second */
byte records, write;                    /* of the first one: its journal; a write on its way */
bool alive = true, copied;
byte journal, watched, watched_for, walked, known_at_take;
bool is_watching, is_done, is_lost;

#define MAY(p) (p.held && (!FENCE || p.confirmed < HELD_PERIODS))
#define OLDER(age) age = (age < 3 -> age + 1 : 3)
#define ALONE assert(!(MAY(a) && MAY(b)))

inline attempt(p, me, r, records_known) {
    p.drafted = 0; p.draft = (p.draft > p.seen -> p.draft : p.seen) + 1; p.waits = true;
    request[r].flies = true; request[r].who = me; request[r].number = p.draft; request[r].knows = records_known;
    request[r].if_who = p.seen_who; request[r].if_number = p.seen
}

inline forget(r) { request[r].flies = false; request[r].who = 0; request[r].number = 0; request[r].knows = 0; request[r].if_who = 0; request[r].if_number = 0 }

inline land(r) {
    if
    :: !CONDITION || (who == request[r].if_who && number == request[r].if_number) ->
       who = request[r].who; number = request[r].number; knows = request[r].knows
    :: else -> skip
    fi;
    forget(r)
}

active proctype first() {
    a.held = true; a.draft = 1; a.seen = 1; a.seen_who = 1;
    do
    :: atomic { a.held && !a.waits && a.drafted > 0 && a.draft < ATTEMPTS && !request[0].flies -> attempt(a, 1, 0, records) }
    :: atomic { a.held && !a.waits && a.drafted > 0 && a.draft < ATTEMPTS && request[0].flies && !request[1].flies ->
                attempt(a, 1, 1, records) }
    :: atomic { a.waits ->                                     /* reads */
                if
                :: who == 1 && (number == a.draft || !NUMBER) -> a.confirmed = a.drafted; ALONE
                :: who != 1 && START -> a.held = false
                :: else -> skip                                         /* tries again */
                fi;
                a.seen_who = who; a.seen = number; a.waits = false }
    :: atomic { MAY(a) && write == 0 && records < WRITES -> records++; write = records; ALONE }
    :: atomic { alive -> alive = false; a.held = false; a.waits = false; a.confirmed = 3; a.drafted = 3; a.draft = 0; a.seen = 0; a.seen_who = 0 }
    :: is_done -> break
    od
}

active proctype second() {
    do
    :: atomic { KIND == COPY && alive && !copied -> copied = true; journal = records }
    :: atomic { KIND == SAME && !alive && !copied -> copied = true; journal = records }
    :: atomic { KIND == OTHER && !copied -> copied = true }
    :: atomic { copied && !is_watching && !b.waits && !b.held && !b.stopped ->
                is_watching = true; watched = number; watched_for = 0;
                b.stopped = BEHIND && KIND != OTHER && knows > journal }
    :: atomic { is_watching && !b.waits && !b.held && !b.stopped && (!WATCH || watched_for >= WATCH_PERIODS) ->
                b.stopped = (BEHIND && KIND != OTHER && knows > journal);
                if
                :: b.stopped -> skip
                :: !b.stopped && number == watched -> b.seen_who = who; b.seen = number; attempt(b, 2, 2, journal)
                :: else -> watched = number; watched_for = 0            /* at the second time it would be refused */
                fi }
    :: atomic { b.waits && !request[2].flies ->
                b.waits = false;
                if
                :: who == 2 && number == b.draft -> b.held = true; b.confirmed = b.drafted; ALONE
                :: else -> b.stopped = true                             /* the first one moved it: it lives */
                fi }
    :: atomic { KIND == OTHER && WALK && b.held && write == 0 && !MAY(a) -> walked = landed }   /* late requests are gone */
    :: is_done -> break
    od
}

active proctype world() {
    do
    :: atomic { a.confirmed < 3 || a.drafted < 3 || b.confirmed < 3 || b.drafted < 3 || watched_for < 3 ->
                OLDER(a.confirmed); OLDER(a.drafted); OLDER(b.confirmed); OLDER(b.drafted); OLDER(watched_for); ALONE }   /* a period passes */
    :: atomic { request[0].flies -> land(0) }
    :: atomic { request[0].flies -> forget(0) }
    :: atomic { request[1].flies -> land(1) }
    :: atomic { request[1].flies -> forget(1) }
    :: atomic { request[2].flies -> known_at_take = knows; land(2) }
    :: atomic { request[2].flies -> forget(2) }
    :: atomic { LOSSES && !is_lost && who == 1 && number > 1 -> is_lost = true; number-- }   /* the home lost its last seconds */
    :: atomic { write != 0 -> landed = write; write = 0 }               /* perhaps long after it was sent */
    :: atomic { write != 0 -> write = 0 }
    :: atomic { b.held && !a.held && write == 0 && (KIND != OTHER || !WALK || walked == landed) ->
                if
                :: KIND == OTHER -> assert(walked >= landed)
                :: KIND != OTHER && !LIMIT -> assert(journal >= landed)
                :: KIND != OTHER && LIMIT -> assert(journal >= landed || landed > known_at_take)
                fi;
                is_done = true; break }
    od
}
