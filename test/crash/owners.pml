/* SPDX-License-Identifier: Apache-2.0
 *
 * A home that goes from one journal to another and back by order: freeze, drain, release, and the claim of the other (docs/replication.md,
 * "Changing the map"). Two edges, each with a journal of its own, that may be killed at any moment and start anew; one point, one copy;
 * writes may be late, answers lost. What a claim withstands by itself is in claim.pml: here it is taken and left at one moment, but its
 * holder may learn of that later.
 *
 * Never may both send; never is home older than what was acknowledged; and when all is quiet the copy is what home is. test_models.py
 * checks it whole, and that each rule taken away (-DRULE=0) is missed:
 *
 *  DRAIN   a home is given up when all that was sent there has its outcome; what a copy has not got may be left (`--without`)
 *  STOP    whoever gives it up sends nothing from then on
 *  FREE    another journal's claim is taken only if it is free
 *  OWN     not even then by a journal that had the home and did not give it up, as after a crash in between
 *  TENURE  what was recorded before a home was given up is not sent again when that starts anew
 *  WALK    whoever takes a home compares the copy with it
 */
#ifndef DRAIN
#define DRAIN 1
#endif
#ifndef STOP
#define STOP 1
#endif
#ifndef FREE
#define FREE 1
#endif
#ifndef OWN
#define OWN 1
#endif
#ifndef TENURE
#define TENURE 1
#endif
#ifndef WALK
#define WALK 1
#endif
#define WRITES 3
#define CHANGES 3                       /* of the claim's holder */
#define CRASHES 2
#define RESTARTS 1                      /* of the home */

#define NONE 0
#define CLAIMED 1
#define GIVEN_UP 2

typedef Edge {
    bool alive, held, gives;            /* gives: it has begun to give it up */
    byte has;                           /* of the home, by its journal */
    byte sent, mine;                    /* a write on its way; the newest that the journal has */
    bool open, mark, news               /* a write without an outcome; for the copy; home was started anew */
};
Edge e[2];
byte who, home, acked, copy, next, crashes, restarts, changes;
bool free;

#define MAY(i) (e[i].held && !(STOP && e[i].gives))
#define ALONE assert(!(MAY(0) && MAY(1)))

inline end_tenure(i) {
    e[i].has = GIVEN_UP; e[i].held = false; e[i].gives = false; e[i].mark = false;
    if
    :: TENURE -> e[i].mine = 0
    :: else -> skip
    fi
}

proctype edge(byte i) {
    do
    /* The claim. */
    :: atomic { e[i].alive && !e[i].held && e[i].has == CLAIMED && who == i -> free = false; e[i].held = true; ALONE }   /* after a crash */
    :: atomic { e[i].alive && !e[i].held && e[i].has != GIVEN_UP && who != i && changes < CHANGES &&
                ((free && (e[i].has == NONE || !OWN)) || (!FREE && !e[1 - i].held)) ->
                changes++; who = i; free = false; e[i].held = true; e[i].has = CLAIMED; e[i].mark = e[i].mark || WALK; ALONE }
    :: atomic { e[i].alive && !e[i].held && e[i].has == NONE && who == i && free ->                          /* its own, taken back */
                free = false; e[i].held = true; e[i].has = CLAIMED; e[i].mark = WALK; ALONE }
    /* Orders. */
    :: atomic { MAY(i) && !e[i].gives && (!DRAIN || !e[i].open) -> e[i].gives = true }
    :: atomic { e[i].held && e[i].gives && who == i && !free -> free = true }                   /* and nothing is recorded */
    :: atomic { e[i].held && e[i].gives && (who != i || free) -> end_tenure(i) }
    :: atomic { e[i].alive && !e[i].held && e[i].has == CLAIMED && who != i -> end_tenure(i) }  /* another one has it */
    :: atomic { e[i].alive && e[i].has == GIVEN_UP && changes < CHANGES -> e[i].has = NONE }
    /* Writes, ships and the rewind. */
    :: atomic { MAY(i) && !e[i].open && !e[i].news && next < WRITES -> next++; e[i].sent = next; e[i].mine = next; e[i].open = true; e[i].mark = true }
    :: atomic { MAY(i) && e[i].mark && !e[i].open && !e[i].news -> copy = home; e[i].mark = false }
    :: atomic { MAY(i) && e[i].news && !e[i].open ->
                e[i].news = false;
                if
                :: e[i].mine != 0 -> home = e[i].mine; e[i].mark = true; assert(home >= acked)
                :: else -> skip
                fi }
    :: atomic { e[i].open && e[i].sent == 0 -> e[i].open = false }                              /* a quarantine is over */
    :: atomic { e[i].alive && crashes < CRASHES -> crashes++; e[i].alive = false; e[i].held = false; e[i].gives = false }
    :: atomic { !e[i].alive -> e[i].alive = true }
    :: atomic { MAY(i) && !e[i].mark && !e[i].news && e[0].sent + e[1].sent == 0 && !e[0].open && !e[1].open -> assert(copy == home) }
    od
}

inline arrive(i, has_answer) {
    home = e[i].sent; e[i].sent = 0;
    assert(home >= acked);
    if
    :: has_answer && e[i].held -> acked = home; e[i].open = false
    :: else -> skip                                                     /* nobody hears of it */
    fi
}

init {
    atomic { e[0].alive = true; e[0].held = true; e[0].has = CLAIMED; e[1].alive = true; run edge(0); run edge(1) };
    do
    :: atomic { e[0].sent != 0 -> arrive(0, true) }
    :: atomic { e[1].sent != 0 -> arrive(1, true) }
    :: atomic { e[0].sent != 0 -> arrive(0, false) }
    :: atomic { e[1].sent != 0 -> arrive(1, false) }
    :: atomic { e[0].sent != 0 -> e[0].sent = 0 }
    :: atomic { e[1].sent != 0 -> e[1].sent = 0 }
    :: atomic { restarts < RESTARTS -> restarts++; e[0].news = true; e[1].news = true }
    od
}
