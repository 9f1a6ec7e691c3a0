#!/usr/bin/python3
"""One DHT node of libtorrent: does one thing, says what came of it as JSON lines, and stays.

    dht_lt.py ADDRESS:PORT BOOTSTRAP|- [node | announce HASH | peers HASH | get TARGET |
              get-key KEY SALT | put TEXT | put-key PRIVATE PUBLIC SALT TEXT | fetch MAGNET FOLDER |
              seed FILE]
"""
import json
import os
import sys
import time

import libtorrent as lt

here, bootstrap, verb, *words = sys.argv[1:]
session = lt.session({
    "listen_interfaces": here, "enable_dht": True, "dht_bootstrap_nodes": "", "enable_lsd": False,
    "enable_upnp": False, "enable_natpmp": False, "dht_restrict_routing_ips": False,
    "dht_restrict_search_ips": False, "dht_prefer_verified_node_ids": False, "dht_block_ratelimit": 100000,
    "dht_ignore_dark_internet": False, "dht_upload_rate_limit": 1000000, "dht_max_fail_count": 20,
    "allow_multiple_connections_per_ip": True,
    "alert_mask": lt.alert.category_t.all_categories,
})


def say(**what):
    print(json.dumps(what), flush=True)


def alerts(kind):
    for alert in session.pop_alerts():
        if type(alert).__name__ == kind:
            yield alert


def repeat(ask, kind, see):
    """Asks again and again until an answer is one."""
    while True:
        ask()
        end = time.monotonic() + 2
        while time.monotonic() < end:
            for alert in alerts(kind):
                if see(alert):
                    return
            time.sleep(0.05)


def know():
    if bootstrap != "-":
        host, port = bootstrap.rsplit(":", 1)
        session.add_dht_node((host.strip("[]"), int(port)))
        while session.status().dht_nodes == 0:
            time.sleep(0.1)
    say(nodes=session.status().dht_nodes)


def sha1(text):
    return lt.sha1_hash(bytes.fromhex(text))


def see_peers(alert):
    peers = [f"{host}:{port}" for host, port in alert.peers()]
    if peers:
        say(peers=peers)
    return bool(peers)


def text_of(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def see_item(alert):
    item = alert.item
    value = item.get("value") if isinstance(item, dict) and "value" in item else item
    if value in (None, b"", ""):
        return False
    say(value=text_of(value))
    return True


def see_put(alert):
    say(stored=alert.num_success)
    return alert.num_success > 0


def add(params, folder):
    params.save_path = folder
    return session.add_torrent(params)


know()
if verb == "announce":
    handle = add(lt.parse_magnet_uri("magnet:?xt=urn:btih:" + words[0]), "/nonexistent")
    while True:
        handle.force_dht_announce()
        say(announced=words[0])
        time.sleep(3)
elif verb == "peers":
    repeat(lambda: session.dht_get_peers(sha1(words[0])), "dht_get_peers_reply_alert", see_peers)
elif verb == "get":
    repeat(lambda: session.dht_get_immutable_item(sha1(words[0])), "dht_immutable_item_alert", see_item)
elif verb == "get-key":
    repeat(lambda: session.dht_get_mutable_item(bytes.fromhex(words[0]), words[1].encode()),
           "dht_mutable_item_alert", see_item)
elif verb == "put":
    say(target=str(session.dht_put_immutable_item(words[0])))
    repeat(lambda: session.dht_put_immutable_item(words[0]), "dht_put_alert", see_put)
elif verb == "put-key":
    private, public = bytes.fromhex(words[0]), bytes.fromhex(words[1])
    repeat(lambda: session.dht_put_mutable_item(private, public, words[3].encode(), words[2].encode()),
           "dht_put_alert", see_put)
elif verb == "fetch":
    handle = add(lt.parse_magnet_uri(words[0]), words[1])
    while not handle.status().is_seeding:
        time.sleep(0.1)
    say(complete=handle.status().name)
elif verb == "seed":
    storage = lt.file_storage()
    lt.add_files(storage, words[0])
    create = lt.create_torrent(storage)
    lt.set_piece_hashes(create, os.path.dirname(words[0]))
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(lt.bencode(create.generate()))
    handle = add(params, os.path.dirname(words[0]))
    while not handle.status().is_seeding:
        time.sleep(0.1)
    say(hash=str(params.ti.info_hashes().v1))
while True:
    time.sleep(1)
