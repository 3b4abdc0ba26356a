/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_OBS_LOG_H
#define SEXTANT_OBS_LOG_H

/* The program's own log: one line an event on standard error. Any thread; a line is one write, so lines never mix. */

#include "proxy/base/str.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* False and no change if the name is none of error, warning, info, debug. */
bool log_set_level(struct str name);
const char *log_level_name(void); /* the one in use */
bool log_is_on(enum log_level level);
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
