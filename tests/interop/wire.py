"""A peer that speaks the wire itself, in plaintext, and says what a test tells it to: for lies that no real client tells."""
import hashlib
import socket
import struct
import threading

import libtorrent as lt

PROTOCOL = b"\x13BitTorrent protocol"
CHOKE, UNCHOKE, INTERESTED, HAVE, BITFIELD, REQUEST, PIECE, EXTENDED = 0, 1, 2, 4, 5, 6, 7, 20
OUR_METADATA = 2


class WirePeer(threading.Thread):
    """Listens on a port of loopback and serves whoever calls. Data is truthful unless `lies` says otherwise of a piece."""

    def __init__(self, info, data=b"", claims=None, metadata=None, lies=lambda piece: False, host="127.0.0.1"):
        super().__init__(daemon=True)
        self.info_hash = hashlib.sha1(info).digest()
        self.info, self.data, self.metadata, self.lies = info, data, metadata, lies
        self.claims = len(info) if claims is None else claims
        self.piece_length = lt.bdecode(info).get(b"piece length", 0) if data else 0
        self.calls, self.metadata_requests, self.blocks, self.hangups = 0, 0, 0, 0
        self.listener = socket.create_server((host, 0))
        self.host, self.port = self.listener.getsockname()
        self.start()

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def close(self):
        self.listener.close()

    def serve(self, connection):
        try:
            stream = connection.makefile("rb")
            # A caller that begins with encryption is hung up on, and calls again without.
            if stream.read(20) != PROTOCOL:
                return
            stream.read(48)
            self.calls += 1
            peer_id = b"-XX0001-" + struct.pack(">IQ", self.port, 7)
            connection.sendall(PROTOCOL + b"\0\0\0\0\0\x10\0\0" + self.info_hash + peer_id)
            self.say_extended(connection, 0, {"m": {"ut_metadata": OUR_METADATA}, "metadata_size": self.claims})
            if self.data:
                count = -(-len(self.data) // self.piece_length)
                self.say(connection, BITFIELD, ((1 << count) - 1 << (-count % 8)).to_bytes(-(-count // 8), "big"))
                self.say(connection, UNCHOKE)
            self.opened(connection)
            while True:
                head = stream.read(4)
                length = struct.unpack(">I", head)[0]
                message = stream.read(length)
                if length and len(message) == length:
                    self.hear(connection, message[0], message[1:])
        except (OSError, struct.error):
            self.hangups += 1
        finally:
            connection.close()

    def opened(self, connection):
        """For those who say more at once."""

    def say(self, connection, kind, payload=b""):
        connection.sendall(struct.pack(">IB", 1 + len(payload), kind) + payload)

    def say_extended(self, connection, number, header, payload=b""):
        self.say(connection, EXTENDED, bytes([number]) + lt.bencode(header) + payload)

    def hear(self, connection, kind, payload):
        if kind == REQUEST:
            piece, begin, length = struct.unpack(">III", payload)
            at = piece * self.piece_length + begin
            block = self.data[at:at + length]
            if self.lies(piece):
                block = bytes(b ^ 0x55 for b in block[:16]) + block[16:]
            self.blocks += 1
            self.say(connection, PIECE, struct.pack(">II", piece, begin) + block)
        elif kind == EXTENDED and payload[0] == 0:
            self.theirs = lt.bdecode(payload[1:])[b"m"].get(b"ut_metadata", 0)
        elif kind == EXTENDED and payload[0] == OUR_METADATA:
            question = lt.bdecode(payload[1:])
            if question[b"msg_type"] == 0:
                self.metadata_requests += 1
                self.answer_metadata(connection, question[b"piece"])

    def answer_metadata(self, connection, piece):
        if self.metadata is None:
            self.say_extended(connection, self.theirs, {"msg_type": 2, "piece": piece})
            return
        part = self.metadata[piece * 16384:(piece + 1) * 16384]
        header = {"msg_type": 1, "piece": piece, "total_size": self.claims}
        self.say_extended(connection, self.theirs, header, part)


class MetadataFlood(WirePeer):
    """Sends pieces of metadata that nobody asked for, as long as it is borne."""

    def opened(self, connection):
        for i in range(100_000):
            header = {"msg_type": 1, "piece": i % 2048, "total_size": 32 << 20}
            self.say_extended(connection, 3, header, b"\x55" * 16384)
