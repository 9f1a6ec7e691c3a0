"""What stands on the far side in tests/interop/proxy.py, each a program of its own:

    proxy_world.py servers FOLDER PEER   a tracker over HTTP (7000) and UDP (7001), a web seed (7002)
    proxy_world.py socks5 PORT [USER PASSWORD]   SOCKS5 with CONNECT and UDP ASSOCIATE
    proxy_world.py dns                   answers nothing; says who asks

One line on standard output for each thing that somebody asks of them."""
import http.server
import os
import select
import socket
import struct
import sys
import threading
import urllib.parse


def say(*words):
    print(*words, flush=True)


# ---- servers ------------------------------------------------------------------------------------

def compact(peer):
    host, port = peer.rsplit(":", 1)
    return socket.inet_aton(host) + struct.pack(">H", int(port))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder = peer = None

    def log_message(self, *args):
        pass

    def answer(self, status, body, *headers):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path = urllib.parse.unquote(urllib.parse.urlparse(self.path).path)
        say("http", self.client_address[0], self.headers.get("Host"), path)
        if path.startswith("/announce"):
            peers = compact(self.peer) if self.peer else b""
            self.answer(200, b"d8:intervali900e5:peers%d:%se" % (len(peers), peers))
        elif path.startswith("/moved/"):
            self.answer(302, b"elsewhere", ("Location", "/" + path[7:]))
        else:
            self.serve(os.path.join(self.folder, path.lstrip("/")))

    def serve(self, path):
        if not os.path.isfile(path):
            return self.answer(404, b"")
        with open(path, "rb") as f:
            data = f.read()
        wanted = self.headers.get("Range")
        if not wanted:
            return self.answer(200, data)
        first, last = wanted.removeprefix("bytes=").split("-")
        part = data[int(first): int(last) + 1]
        self.answer(206, part, ("Content-Range", f"bytes {first}-{last}/{len(data)}"))


def udp_tracker(peer):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("0.0.0.0", 7001))
    while True:
        data, sender = s.recvfrom(2048)
        if len(data) == 16:
            s.sendto(struct.pack(">II", 0, struct.unpack(">I", data[12:16])[0]) + b"12345678", sender)
        elif len(data) >= 98 and data[11] == 1:
            say("udp", sender[0], "announce", "port", struct.unpack(">H", data[96:98])[0])
            peers = compact(peer) if peer else b""
            s.sendto(struct.pack(">I", 1) + data[12:16] + struct.pack(">III", 900, 0, 1) + peers, sender)


def servers(folder, peer):
    Handler.folder, Handler.peer = folder, peer if peer != "-" else None
    threading.Thread(target=udp_tracker, args=(Handler.peer,), daemon=True).start()
    web = http.server.ThreadingHTTPServer(("0.0.0.0", 7002), Handler)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    tracker = http.server.ThreadingHTTPServer(("0.0.0.0", 7000), Handler)
    say("ready")
    tracker.serve_forever()


# ---- SOCKS5: RFC 1928, RFC 1929 -----------------------------------------------------------------

def take(s, size):
    data = b""
    while len(data) < size:
        more = s.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def take_address(read):
    kind = read(1)[0]
    if kind == 1:
        host = socket.inet_ntop(socket.AF_INET, read(4))
    elif kind == 4:
        host = socket.inet_ntop(socket.AF_INET6, read(16))
    else:
        host = read(read(1)[0]).decode()
    return kind == 3, host, struct.unpack(">H", read(2))[0]


def put_address(address):
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    kind = 4 if family == socket.AF_INET6 else 1
    return bytes([kind]) + socket.inet_pton(family, address[0]) + struct.pack(">H", address[1])


def shovel(a, b):
    try:
        while True:
            for ready in select.select([a, b], [], [])[0]:
                data = ready.recv(65536)
                if not data:
                    return
                (b if ready is a else a).sendall(data)
    except OSError:
        return


def connect(client, host, port):
    try:
        far = socket.create_connection((host, port), 5)
    except OSError:
        client.sendall(b"\x05\x05\x00" + put_address(("0.0.0.0", 0)))
        return
    far.settimeout(None)
    client.sendall(b"\x05\x00\x00" + put_address(far.getsockname()))
    shovel(client, far)
    far.close()


def unwrap(data):
    at = [3]

    def read(size):
        at[0] += size
        return data[at[0] - size: at[0]]

    named, host, port = take_address(read)
    return named, host, port, data[at[0]:]


def associate(client):
    """Datagrams of the one who asked, for as long as the connection stands."""
    near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    near.bind((client.getsockname()[0], 0))
    far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    far.bind(("0.0.0.0", 0))
    client.sendall(b"\x05\x00\x00" + put_address(near.getsockname()))
    owner = None
    while True:
        ready = select.select([client, near, far], [], [])[0]
        if client in ready and not client.recv(65536):
            break
        if near in ready:
            data, sender = near.recvfrom(65536)
            if sender[0] != client.getpeername()[0] or len(data) < 10 or data[2] != 0:
                continue
            owner = sender
            named, host, port, payload = unwrap(data)
            say("datagram", "name" if named else "address", host, port)
            try:
                far.sendto(payload, (socket.gethostbyname(host), port))
            except OSError:
                pass
        if far in ready:
            data, sender = far.recvfrom(65536)
            if owner:
                near.sendto(b"\0\0\0" + put_address(sender) + data, owner)
    near.close()
    far.close()


def serve_socks(client, login):
    try:
        methods = take(client, take(client, 2)[1])
        if login and 2 in methods:
            client.sendall(b"\x05\x02")
            user = take(client, take(client, 2)[1])
            password = take(client, take(client, 1)[0])
            good = (user.decode(), password.decode()) == login
            client.sendall(b"\x01" + (b"\x00" if good else b"\x01"))
            if not good:
                say("wrong login")
                return
        elif not login and 0 in methods:
            client.sendall(b"\x05\x00")
        else:
            client.sendall(b"\x05\xff")
            return
        command = take(client, 3)[1]
        named, host, port = take_address(lambda size: take(client, size))
        say("connect" if command == 1 else "associate", "name" if named else "address", host, port)
        if command == 1:
            connect(client, host, port)
        elif command == 3:
            associate(client)
    except (OSError, EOFError):
        pass
    finally:
        client.close()


def socks5(port, *login):
    s = socket.create_server(("0.0.0.0", int(port)))
    say("ready")
    while True:
        client, _ = s.accept()
        threading.Thread(target=serve_socks, args=(client, tuple(login)), daemon=True).start()


def dns():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("0.0.0.0", 53))
    say("ready")
    while True:
        say("question", s.recvfrom(2048)[1][0])


if __name__ == "__main__":
    {"servers": servers, "socks5": socks5, "dns": dns}[sys.argv[1]](*sys.argv[2:])
