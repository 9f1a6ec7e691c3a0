/* Where links and torrents come from: an operand, a file, standard input, the environment, or a
 * prompt that does not show what is typed. Links can be secrets. */
#ifndef KITH_CLI_INPUT_H
#define KITH_CLI_INPUT_H

#include "base/bytes.h"

#define INPUT_MAX ((size_t)192 << 20) /* bytes of a torrent */

/* The link's or torrent's bytes from wherever they are, at least one, with a zero byte behind them;
 * NULL: KITH_LINK, or a prompt; "-": standard input; the digits of an info-hash become a link.
 * EXIT_OK, or an exit code after a message. Free with builder_free. */
int input_take(const char *operand, struct builder *out);
/* Of what came from elsewhere: the same promise. EXIT_OK, or an exit code after a message. */
int input_check(struct builder *);
bool input_is_link(const char *text);
/* An http or https address: input_take returns it as it is. */
bool input_is_url(const char *text);
/* The process list is everybody's: a link that was an argument is not left there. */
void input_blank(const char *operand);

#endif
