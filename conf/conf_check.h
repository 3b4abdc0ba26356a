/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CONF_CONF_CHECK_H
#define SEXTANT_CONF_CONF_CHECK_H

#include "conf/conf.h"

/* Options that are fine one by one but contradict each other. Pure. */
void conf_check(const struct conf *conf, struct conf_issues *issues);

#endif
