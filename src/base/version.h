/* What this is, and which one of it. Also written in include/kith.h and meson.build. */
#ifndef KITH_BASE_VERSION_H
#define KITH_BASE_VERSION_H

#define VERSION_TEXT "0.1.0"
#define VERSION_PEER_ID "-KI0100-" /* Azureus style: client KI, version 0.1.0 */

#endif
