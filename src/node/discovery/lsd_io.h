/* Local service discovery on the node's networks (BEP 14): the sockets of both families, what is
 * said on them when swarm/lsd_pacer.h says so, and what is done about what is heard. */
#ifndef KITH_NODE_LSD_IO_H
#define KITH_NODE_LSD_IO_H

struct kith_node;
struct kith_torrent;

/* ERR_NOMEM. Without a network that carries it nothing is said until there is one. */
int lsd_start(struct kith_node *);
void lsd_stop(struct kith_node *);
/* The torrent is to be found, and wants to find. Nothing happens for private ones, ones that rest,
 * and where the node has no discovery. */
void lsd_join(struct kith_torrent *);
void lsd_leave(struct kith_torrent *);
void lsd_network_changed(struct kith_node *);

#endif
