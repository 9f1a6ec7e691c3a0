/* The link of a torrent or a parsed link as text. NULL: it cannot be written. Free it. */
#ifndef KITH_CLI_LINK_TEXT_H
#define KITH_CLI_LINK_TEXT_H

#include "format/magnet.h"
#include "format/metainfo.h"

char *link_of_magnet(const struct magnet *);
char *link_of_metainfo(const struct metainfo *);

#endif
