/* Asks on the terminal for what should not be seen: a link holds keys. */
#ifndef KITH_CLI_PROMPT_H
#define KITH_CLI_PROMPT_H

#include "base/bytes.h"

/* One line of any length, without its end, behind what the builder holds; what is typed or pasted
 * is not shown. False: a signal asked to stop (session_interrupted), or there is no more input. */
bool prompt_unseen(const char *question, struct builder *out);

#endif
