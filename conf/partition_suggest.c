/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/fanout.h"
#include "conf/partition_check.h"

static void
put_names(const struct topology *t, struct buf *out)
{
    for (unsigned i = 0; i < t->n_clusters; i++)
        buf_printf(out, "%s" STR_FMT, i ? "," : "", STR_ARG(t->clusters[i].name));
}

struct guess {
    bool has_continent[CONTINENT_COUNT], has_country[26 * 26];
};

/* An area for a cluster, from where it is: its continent, or, when that is another's already, its country. */
static struct str
guess_area(struct guess *g, const struct cluster_conf *c)
{
    struct place place;
    unsigned country;
    struct str area = STR_NONE;

    if (!c->country[0] || !country_point(c->country, &place))
        return STR_NONE;
    country = (unsigned)(c->country[0] - 'A') * 26 + (unsigned)(c->country[1] - 'A');
    if (!g->has_continent[place.continent])
        area = continent_name((enum continent)place.continent);
    else if (!g->has_country[country])
        area = str_from(c->country);
    g->has_continent[place.continent] = g->has_country[country] = true;
    return area;
}

/* The first cluster takes everybody else. Those for which nothing can be guessed are listed in `ret_left`. */
static void
put_divided(const struct topology *t, struct buf *out, struct buf *ret_left)
{
    struct guess g = { .has_continent = { false } };

    for (unsigned i = 0; i < t->n_clusters; i++) {
        const struct cluster_conf *c = &t->clusters[i];
        struct str area = guess_area(&g, c);

        if (area.len)
            buf_printf(out, STR_FMT "=" STR_FMT " ", STR_ARG(area), STR_ARG(c->name));
        else if (i)
            buf_printf(ret_left, "%s" STR_FMT, buf_len(ret_left) ? ", " : "", STR_ARG(c->name));
    }
    buf_printf(out, "*=" STR_FMT, STR_ARG(t->clusters[0].name));
}

void
partition_suggest(const struct topology *t, struct buf *out)
{
    struct buf divided = { 0 }, left = { 0 };

    put_divided(t, &divided, &left);
    buf_add(
        out, STR("several clusters need a map that says which of them may hold what. Three usual ones, ready to copy:\n"
                 "\n  # every region has a copy, kept by Sextant, "));
    buf_printf(out, "which needs keys, SEXTANT_JOURNAL_DIR and SEXTANT_OWNS=" STR_FMT " (docs/replication.md)",
        STR_ARG(t->clusters[0].name));
    buf_add(out, STR("\n  SEXTANT_PARTITION_MAP='* *="));
    put_names(t, out);
    buf_add(out, STR(" fanout=async'\n"
                     "\n  # every region has a copy, and something else keeps the copies alike\n"
                     "  SEXTANT_PARTITION_MAP='* *="));
    put_names(t, out);
    buf_add(out, STR(" copies=external write=nearest'\n"
                     "\n  # each region holds the data of its own callers"));
    if (buf_len(&left))
        buf_printf(out, " (no area could be guessed for " STR_FMT ": add it)", STR_ARG(buf_str(&left)));
    buf_printf(out, "\n  SEXTANT_PARTITION_MAP='* " STR_FMT "'\n", STR_ARG(buf_str(&divided)));
    buf_fini(&divided);
    buf_fini(&left);
}
