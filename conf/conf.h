/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CONF_CONF_H
#define SEXTANT_CONF_CONF_H

/* The options, from the environment, checked. The list stands in options.def. Pure but for reading files that options
 * name; never logs: every mistake is collected with variable, line and column, so that all are shown at once. */

#include <stdbool.h>
#include <stdint.h>

#include "proxy/base/arena.h"
#include "proxy/base/buf.h"
#include "proxy/base/str.h"

/* A mistake or a doubt about the configuration, wherever it was found. */
struct conf_issue {
    bool is_error;         /* else a warning */
    struct str source;     /* "SEXTANT_CLUSTERS", "SEXTANT_PARTITION_MAP (/etc/map)" */
    unsigned line, column; /* 1-based, columns in bytes; 0 when they mean nothing */
    struct str text;       /* what is wrong, what was expected, the nearest known name */
};

struct conf_issues {
    struct arena *arena; /* owns list and texts */
    struct conf_issue *items;
    unsigned n, n_errors;
};

void conf_issue(struct conf_issues *issues, bool is_error, struct str source, unsigned line, unsigned column,
    const char *format, ...) __attribute__((format(printf, 6, 7)));
/* One line each: "SEXTANT_CLUSTERS:1:8: error: ...". Control bytes of what was written show as \x1b. */
void conf_issues_print(const struct conf_issues *issues, struct buf *out);

/* C types behind the types of options.def; durations are milliseconds, sizes bytes, percents 0..100. */
typedef struct str conf_text;
typedef bool conf_flag;
typedef uint64_t conf_count;
typedef uint64_t conf_size;
typedef int64_t conf_msec;
typedef double conf_percent;

/* Where an option's value came from. */
struct conf_origin {
    struct str source; /* "SEXTANT_WORKERS", "SEXTANT_WORKERS_FILE (/run/w)", "SEXTANT_WORKERS (/etc/sextant.env)" */
    unsigned line, column; /* of its first byte there */
    bool is_given;         /* else it is the default */
    bool is_bad;           /* was given but could not be used; the mistake has been told */
};

/* A variable of one cluster, SEXTANT_CLUSTER_<NAME>_<OPTION>, as it was given: which cluster is meant is known once
 * SEXTANT_CLUSTERS is read. */
struct option;
struct cluster_setting {
    struct str name; /* of the cluster, as in the variable: "EU_WEST" */
    const struct option *option;
    struct str text;
    struct conf_origin at;
};

/* The options of one cluster. The list stands in cluster_options.def. */
struct cluster_options {
#define OPT(field, type, default_value, min, max, flags, help) conf_##type field;
#include "conf/cluster_options.def"
#undef OPT
};

struct conf {
#define GROUP(title)
#define OPT(field, type, default_value, min, max, flags, help) conf_##type field;
#include "conf/options.def"
#undef OPT
#undef GROUP
    struct arena arena; /* owns every text */
    struct str *files;  /* files read: …_FILE values, the map, areas, env and geo files; for watching */
    unsigned n_files;
    struct conf_origin *origins; /* in the order of options.def */
    struct cluster_setting *cluster_settings;
    unsigned n_cluster_settings;
};

/* `environ` is NULL-terminated NAME=VALUE; SEXTANT_ENV_FILE in it names a file of such lines, which the environment
 * itself overrides. Always returns a conf (defaults where a value is bad); it is usable only if issues->n_errors == 0.
 * For DOC options the field holds the document's text, whether it was given inline, by …_FILE or as a file name (one line
 * that begins with /, ./ or ../). Blanks around values are cut, but for those a document begins with. */
struct conf *conf_load(char **environ, struct conf_issues *issues);
void conf_free(struct conf *conf);

void conf_add_file(struct conf *conf, struct str path); /* one more file to watch; copied; twice is once */
/* `field` is a name of options.def. */
const struct conf_origin *conf_origin(const struct conf *conf, const char *field);
/* Where an option's text came from, for messages: "SEXTANT_CLUSTERS", "SEXTANT_PARTITION_MAP (/etc/map)". */
struct str conf_source(const struct conf *conf, const char *field);
/* An issue with the option as a whole, at the place where its value begins. */
void conf_option_issue(struct conf_issues *issues, bool is_error, const struct conf *conf, const char *field,
    const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Is this one of the names (without SEXTANT_) that Kubernetes puts into a container's environment? */
bool conf_is_injected(struct str name);

void conf_print_help(struct buf *out);     /* for --help */
void conf_print_markdown(struct buf *out); /* conf/OPTIONS.md */
/* Effective values as lines of an env file that SEXTANT_ENV_FILE can read back; secrets are only named, in comments. */
void conf_print_env(const struct conf *conf, struct buf *out);
/* An object, name → {value, default, source, reload}, for the admin /config. */
void conf_print_json(const struct conf *conf, struct buf *out);
/* Names of START options that differ between two, comma-separated; empty when none. */
/* Options that are read at the start only; those of a journal only if one is open. */
void conf_print_restart_needed(const struct conf *old, const struct conf *fresh, bool has_journal, struct buf *out);

#endif
