/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CONF_ENV_FILE_H
#define SEXTANT_CONF_ENV_FILE_H

/* The lines of SEXTANT_ENV_FILE. Pure.
 *
 *   NAME=VALUE          the value ends with the line, or at a # after a blank; blanks around it are cut
 *   NAME='VALUE'        everything up to the next ' counts, newlines and # too
 *   NAME="VALUE"        the same up to the next "; \" and \\ stand for " and \, any other \ for itself
 *   # a comment         so do empty lines; `export ` before a NAME is allowed
 *
 * Nothing is expanded. After a closing quote only a comment may follow. */

#include "conf/conf.h"

struct env_file {
    struct str source, rest;
    unsigned line, column;
    struct arena *arena; /* for values whose escapes were taken out */
    struct conf_issues *issues;
};

struct env_line {
    struct str name, value;
    unsigned line, column;             /* of the name */
    unsigned value_line, value_column; /* of the value's first byte */
};

struct env_file env_file_begin(struct str source, struct str text, struct arena *arena, struct conf_issues *issues);
/* The next line that can be understood; the others are told to issues. False at the end. */
bool env_file_next(struct env_file *f, struct env_line *ret_line);

#endif
