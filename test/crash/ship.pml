/* SPDX-License-Identifier: Apache-2.0
 *
 * One point on its way from home to its copies: journal, marks, shipping of home's state, quarantine after unknown outcomes,
 * kill -9 of the edge, power loss of a copy. A value is the LSN of the write that made it. test_models.py checks it whole, and
 * that each rule taken away (-DRULE=0) is missed. The rules are those of proxy/sync/marks.h and of its users:
 *
 *  FIRST   a write is recorded, and its point marked, before home is touched
 *  GATE    a ship clears the mark only if no write lacked its outcome when the point was read
 *  FRESH   every marking counts, also one that no write made: a flight lands on what was marked when it took off
 *  HOLD    after an unknown outcome at home, writes to the point wait for the quarantine
 *  AGAIN   after an unknown outcome of a ship, ship once more after the quarantine
 *  TAINT   a restart treats everything in flight as unknown, and keeps holds and pending marks
 *  SETTLE  a shipped mark comes back when the copy is seen with a new identity before it settled
 *  KNOWN   the text of a write is taken for what home has only while nothing else was recorded on the point
 *  DONE    … and only when home has said that all of the write is done
 *  SYNC    with ALL, a ship that lands while the outcome of an earlier one is unknown answers nobody
 *
 * WRITERS 2: a second write is recorded while the first one is in flight, and waits for its turn. ALL: an answer waits for ships
 * to every copy whose read began after the outcome, and from then on no copy may show anything older (power loss apart).
 */
#ifndef FIRST
#define FIRST 1
#endif
#ifndef GATE
#define GATE 1
#endif
#ifndef FRESH
#define FRESH 1
#endif
#ifndef HOLD
#define HOLD 1
#endif
#ifndef AGAIN
#define AGAIN 1
#endif
#ifndef TAINT
#define TAINT 1
#endif
#ifndef SETTLE
#define SETTLE 1
#endif
#ifndef KNOWN
#define KNOWN 1
#endif
#ifndef DONE
#define DONE 1
#endif
#ifndef SYNC
#define SYNC 1
#endif
#ifndef WRITERS
#define WRITERS 1
#endif
#ifndef COPIES
#define COPIES 1
#endif
#ifndef ALL
#define ALL 0
#endif
#ifndef WRITES
#define WRITES 3
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef LOSSES
#define LOSSES 1
#endif
#ifndef UNKNOWNS
#define UNKNOWNS 2
#endif

byte home, issued, acked;
byte sent;      /* the write that is in flight at home */
byte queued;    /* recorded, waiting for its turn */
byte late_home; /* a request that may still land there */
byte known;     /* what the last write made of it, by its own text; 0: home has to be asked */
bool held;      /* home's quarantine */
byte crashes, losses, unknowns;
bool done;

typedef Lane {
    byte copy, disk;
    byte late;                  /* a ship that may still land */
    bool dirty, flying, again, settling;
    byte value;                 /* of the flight */
    bool pending, changed;      /* a write had no outcome at take-off; marked since */
    bool after, shipped         /* ALL: read after the outcome that is waited for; landed */
};
Lane lane[COPIES];
byte wanted, everywhere;        /* ALL: written at home, not answered yet; answered last */

#define FOR_LANES(i) for (i : 0 .. COPIES - 1)
#define IDLE (sent == 0 && queued == 0)
#define CHECK(i) assert(!ALL || lane[i].copy >= everywhere)

/* `is_new`: by a write, whose number would be a new one anyway */
inline mark_lane(i, is_new) { lane[i].dirty = true; lane[i].changed = lane[i].changed || (lane[i].flying && (FRESH || is_new)) }
inline mark(is_new) { FOR_LANES(k) { mark_lane(k, is_new) } }
inline record() { known = (KNOWN -> 0 : known); if :: FIRST -> mark(true) :: else -> skip fi }
inline outcome() {
    acked = (sent > acked -> sent : acked);
    known = (queued == 0 || !KNOWN -> sent : 0);
    wanted = (ALL -> sent : 0);
    FOR_LANES(k) { lane[k].after = false; lane[k].shipped = false }
    sent = 0;
    if :: FIRST -> skip :: else -> mark(true) fi
}
inline refused() { known = (DONE || queued != 0 -> known : sent); sent = 0; if :: FIRST -> skip :: else -> mark(true) fi }
inline unknown_outcome() { unknowns++; sent = 0; held = true }
inline kill() {
    crashes++;
    if :: sent != 0 && late_home == 0 -> late_home = sent :: else -> skip fi;
    FOR_LANES(k) {
        if :: lane[k].flying && lane[k].late == 0 -> lane[k].late = lane[k].value :: else -> skip fi;
        lane[k].flying = false; lane[k].changed = false; lane[k].pending = false; lane[k].value = 0;
        lane[k].again = TAINT; lane[k].after = false; lane[k].shipped = false
    }
    held = TAINT && (held || sent != 0 || queued != 0 || late_home != 0);
    sent = 0; queued = 0; wanted = 0; known = 0;
    mark(true)
}

active proctype client() {
    byte k;
    do
    :: atomic { issued < WRITES && sent == 0 && queued == 0 && (!held || !HOLD) -> issued++; sent = issued; record() }
    :: atomic { WRITERS > 1 && issued < WRITES && sent != 0 && queued == 0 -> issued++; queued = issued; record() }
    :: atomic { sent == 0 && queued != 0 && (!held || !HOLD) -> sent = queued; queued = 0 }
    :: atomic { sent != 0 -> home = sent; outcome() }                                                     /* applied, answered */
    :: atomic { sent != 0 -> refused() }
    :: atomic { sent != 0 -> home = sent; refused() }                              /* after this point: a part of several was done */
    :: atomic { sent != 0 && unknowns < UNKNOWNS -> home = sent; unknown_outcome() }                      /* applied, answer lost */
    :: atomic { sent != 0 && unknowns < UNKNOWNS && late_home == 0 -> late_home = sent; unknown_outcome() } /* lingers */
    :: atomic { !FIRST && sent != 0 && crashes < CRASHES && late_home == 0 ->                             /* killed between home's */
                crashes++; home = sent; sent = 0; queued = 0 }                                            /* answer and the mark */
    :: atomic { issued == WRITES && IDLE && done -> break }
    od
}

proctype shipper(byte i) {
    byte k;
    do
    :: atomic { lane[i].dirty && !lane[i].flying ->
                lane[i].flying = true; lane[i].changed = false; lane[i].value = home; lane[i].pending = !IDLE;
                if :: known != 0 -> lane[i].value = known; lane[i].pending = false :: true -> skip fi;
                lane[i].after = (wanted != 0) }
    :: atomic { lane[i].flying ->                                                                         /* landed */
                lane[i].copy = lane[i].value; lane[i].flying = false; CHECK(i);
                lane[i].shipped = lane[i].shipped || (lane[i].after && (!SYNC || !lane[i].again));
                if
                :: !lane[i].changed && (!GATE || !lane[i].pending) -> lane[i].dirty = false; lane[i].settling = SETTLE && LOSSES
                :: else -> skip
                fi;
                lane[i].changed = false; lane[i].value = 0; lane[i].pending = false; lane[i].after = false }
    :: atomic { lane[i].flying -> lane[i].flying = false; lane[i].changed = false; lane[i].value = 0;     /* refused */
                lane[i].pending = false; lane[i].after = false }
    :: atomic { lane[i].flying && unknowns < UNKNOWNS -> unknowns++; lane[i].copy = lane[i].value;        /* landed, answer lost */
                lane[i].flying = false; lane[i].changed = false; lane[i].value = 0; lane[i].pending = false; lane[i].after = false;
                lane[i].again = lane[i].again || AGAIN; CHECK(i) }
    :: atomic { lane[i].flying && unknowns < UNKNOWNS && lane[i].late == 0 -> unknowns++;                 /* lingers */
                lane[i].late = lane[i].value;
                lane[i].flying = false; lane[i].changed = false; lane[i].value = 0; lane[i].pending = false; lane[i].after = false;
                lane[i].again = lane[i].again || AGAIN }
    :: atomic { LOSSES && lane[i].copy != lane[i].disk -> lane[i].disk = lane[i].copy }                   /* its own flush */
    :: atomic { lane[i].settling && lane[i].copy == lane[i].disk -> lane[i].settling = false }
    :: atomic { lane[i].late != 0 -> lane[i].copy = lane[i].late; lane[i].late = 0; CHECK(i) }
    :: atomic { lane[i].late != 0 -> lane[i].late = 0 }
    :: atomic { lane[i].again && lane[i].late == 0 -> lane[i].again = false; mark_lane(i, false) }        /* its quarantine ends */
    :: atomic { losses < LOSSES && !lane[i].flying && lane[i].late == 0 -> losses++; lane[i].copy = lane[i].disk;   /* loses power */
                if :: lane[i].settling -> lane[i].settling = false; mark_lane(i, false) :: else -> skip fi }
    :: atomic { done -> break }
    od
}

/* All late requests are gone. */
inline check_quiet() {
    quiet = (issued == WRITES && IDLE && !held && late_home == 0);
    FOR_LANES(k) {
        quiet = quiet && !lane[k].dirty && !lane[k].flying && !lane[k].again && lane[k].late == 0 &&
                (losses == LOSSES || lane[k].copy == lane[k].disk)
    }
}

active proctype world() {
    byte k;
    bool quiet;
    FOR_LANES(k) { run shipper(k) }
    do
    :: atomic { late_home != 0 -> home = late_home; late_home = 0 }
    :: atomic { late_home != 0 -> late_home = 0 }
    :: atomic { held && late_home == 0 -> held = false; mark(false) }                    /* the quarantine ends: late requests are gone */
    :: atomic { crashes < CRASHES && FIRST -> kill() }                                   /* kill -9 of the edge, and a restart */
    :: atomic { wanted != 0 ->                                                           /* ALL: may it be answered? */
                quiet = true;
                FOR_LANES(k) { quiet = quiet && lane[k].shipped };
                if :: quiet -> everywhere = wanted; wanted = 0; FOR_LANES(k) { CHECK(k) } :: else -> skip fi; quiet = false }
    :: atomic { check_quiet() ->
                if
                :: quiet -> assert(home >= acked); FOR_LANES(k) { assert(lane[k].copy == home) }; done = true; break
                :: else -> quiet = false
                fi }
    od
}
