/* What the driver sees of Asterisk. The three names below are what Asterisk's own build defines for every module. */
#define AST_MODULE "chan_slinpipe"
#define AST_MODULE_SELF_SYM __internal_chan_slinpipe_self
#define _GNU_SOURCE 1

#include <asterisk.h>
#include <asterisk/astobj2.h>
#include <asterisk/causes.h>
#include <asterisk/channel.h>
#include <asterisk/cli.h>
#include <asterisk/config.h>
#include <asterisk/format_cache.h>
#include <asterisk/format_cap.h>
#include <asterisk/frame.h>
#include <asterisk/logger.h>
#include <asterisk/module.h>
#include <asterisk/test.h>

/* As a constant, since bindgen does not read a macro whose text continues over lines. */
static const char *const slinpipe_licence_key = ASTERISK_GPL_KEY;
