"""A small DNS server on 127.0.0.1, UDP and TCP on one port; what it answers can be changed while it runs."""
import socket
import struct
import threading
from dataclasses import dataclass, field

from .wait import wait_until

A, CNAME, AAAA, SRV = 1, 5, 28, 33
SERVFAIL, NXDOMAIN, REFUSED = 2, 3, 5
TRUNCATED = 0x0200


def encode_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def decode_name(packet, at):
    labels = []
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1"))
        at += packet[at] + 1
    return ".".join(labels), at + 1


def record_data(kind, value):
    if kind == A:
        return socket.inet_aton(value)
    if kind == AAAA:
        return socket.inet_pton(socket.AF_INET6, value)
    if kind == CNAME:
        return encode_name(value)
    priority, weight, port, host = value
    return struct.pack(">HHH", priority, weight, port) + encode_name(host)


@dataclass
class Zone:
    """What is said about one name."""
    records: list = field(default_factory=list)  # (owner, type, ttl, value)
    rcode: int = 0
    silent: bool = False
    truncate: bool = False  # over UDP
    gate: threading.Event | None = None  # the answer waits for it
    wrong_id: bool = False
    wrong_question: bool = False


class DnsServer:
    def __init__(self):
        self.zones, self.questions = {}, []  # (name, type, "udp" or "tcp")
        self.lock = threading.Lock()
        self.host = "127.0.0.1"
        self.open_on(0)

    def open_on(self, port):
        self.tcp = socket.create_server((self.host, port))
        self.port = self.tcp.getsockname()[1]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((self.host, self.port))
        self.ending = False
        self.threads = [threading.Thread(target=run, daemon=True) for run in (self.serve_udp, self.serve_tcp)]
        for thread in self.threads:
            thread.start()

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def say(self, name, *records, **how):
        """records: (type, value) or (type, value, owner); ttl=1 and the fields of Zone."""
        ttl = how.pop("ttl", 1)
        zone = Zone([(rest[0] if rest else name, kind, ttl, value) for kind, value, *rest in records], **how)
        with self.lock:
            self.zones[name.lower()] = zone
        return self

    def count(self, name, kind=None):
        with self.lock:
            return sum(asked == name and kind in (None, of) for asked, of, _ in self.questions)

    def wait_for_questions(self, name, count, kind=None):
        wait_until(lambda: self.count(name, kind) >= count,
                   lambda: f"{count} questions about {name}; there were {self.questions}")

    def close(self):
        self.ending = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as knock:
            knock.sendto(b"", (self.host, self.port))
        self.tcp.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(10)
        self.tcp.close()
        self.udp.close()

    def stop(self):
        if not self.ending:
            self.close()

    def reopen(self):
        """The same port again, after close."""
        self.open_on(self.port)

    def reply(self, packet, over):
        """(bytes, gate), or None: nothing is said."""
        number, = struct.unpack(">H", packet[:2])
        name, end = decode_name(packet, 12)
        kind, = struct.unpack(">H", packet[end:end + 2])
        question = packet[12:end + 4]
        with self.lock:
            self.questions.append((name, kind, over))
            zone = self.zones.get(name.lower(), Zone(rcode=NXDOMAIN))
        if zone.silent:
            return None
        truncated = zone.truncate and over == "udp"
        answers = [] if truncated else [(owner, of, ttl, value) for owner, of, ttl, value in zone.records
                                        if of in (kind, CNAME)]
        if zone.wrong_id:
            number ^= 0x5555
        if zone.wrong_question:
            question = encode_name("liar.test") + question[-4:]
        flags = 0x8180 | (TRUNCATED if truncated else 0) | zone.rcode
        return struct.pack(">HHHHHH", number, flags, 1, len(answers), 0, 0) + question + b"".join(
            encode_name(owner) + struct.pack(">HHIH", of, 1, ttl, len(record_data(of, value))) +
            record_data(of, value) for owner, of, ttl, value in answers), zone.gate

    def serve_udp(self):
        while True:
            packet, peer = self.udp.recvfrom(4096)
            if self.ending:
                return
            answer = self.reply(packet, "udp")
            if answer and answer[1]:
                threading.Thread(target=self.send_after, args=(answer, peer), daemon=True).start()
            elif answer:
                self.udp.sendto(answer[0], peer)

    def send_after(self, answer, peer):
        answer[1].wait(30)
        if not self.ending:
            self.udp.sendto(answer[0], peer)

    def serve_tcp(self):
        while True:
            try:
                connection, _ = self.tcp.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                head = stream.read(2)
                if len(head) == 2:
                    answer = self.reply(stream.read(struct.unpack(">H", head)[0]), "tcp")
                    if answer:
                        connection.sendall(struct.pack(">H", len(answer[0])) + answer[0])
