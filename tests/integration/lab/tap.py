"""A relay between a hop and a real server, in the test's own thread: each byte of both directions is kept."""
import socket

from .pump import End, Pump


class Pair:
    """One connection of the hop (`front`) and ours to the server (`back`)."""

    def __init__(self, front, back, hop_port):
        self.front, self.back = front, back
        self.hop_port = hop_port  # the hop's own port, as in its access log
        self.passed = {front: 0, back: 0}  # how much of what an end received has been sent on
        self.requests_before = 0  # of earlier cases

    def other(self, end):
        return self.back if end is self.front else self.front

    def pass_on(self, end):
        data = bytes(end.received[self.passed[end]:])
        self.passed[end] = len(end.received)
        other = self.other(end)
        if other.is_open():
            other.send([data])

    def is_open(self):
        return self.front.is_open() and self.back.is_open()

    def is_over(self):
        return not self.front.is_open() and not self.back.is_open()

    def pass_end_on(self):
        """Who was left gets the end, too, and may still say something."""
        for end in (self.front, self.back):
            other = self.other(end)
            if end.ended and other.is_open() and not other.told:
                other.told = True
                other.send([], "fin")


class TapEnd(End):
    told = False  # that the other side has ended


class Tap(Pump):
    """What hops connect to; `pairs` are the connections that the current case could use."""

    def __init__(self, back_address):
        super().__init__(answer=None)
        self.back_address, self.pairs = back_address, []

    def accept(self, mask):
        sock, address = self.listener.accept()
        back = socket.socket(socket.AF_UNIX)
        back.connect(self.back_address)
        pair = Pair(TapEnd(self, sock), TapEnd(self, back), address[1])
        pair.front.on_data = pair.back.on_data = pair.pass_on
        self.pairs.append(pair)

    def begin_case(self, count_requests):
        """count_requests(pair): how many requests the case before put on it."""
        self.pairs = [pair for pair in self.pairs if not pair.is_over()]
        for pair in self.pairs:
            pair.requests_before += count_requests(pair)
            for end in (pair.front, pair.back):
                end.mark = len(end.received)

    def used_pairs(self):
        """Those that carried a byte of this case."""
        return [pair for pair in self.pairs if len(pair.front.received) > pair.front.mark
                or len(pair.back.received) > pair.back.mark]

    def step(self, timeout_s):
        moved = super().step(timeout_s)
        for pair in self.pairs:
            pair.pass_end_on()
        return moved
