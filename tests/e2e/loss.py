#!/usr/bin/python3
"""An arena that is far too small: the program runs on unharmed, and what is lost is counted, with sums that
agree."""
import lib

# Sends a great deal to itself over TCP as fast as it can, in small and large pieces, and says how much.
FIREHOSE = '''
import socket, threading
l = socket.create_server(("127.0.0.1", 0))
c = socket.create_connection(l.getsockname())
s = l.accept()[0]
got = 0
def sink():
    global got
    while True:
        n = s.recv_into(buffer)
        if n == 0: return
        got += n
buffer = bytearray(1 << 20)
t = threading.Thread(target=sink)
t.start()
sent = 0
for i in range(4000):
    piece = b"x" * (50000 if i % 2 else 9)
    c.sendall(piece)
    sent += len(piece)
c.close()
t.join()
print(sent == got and sent, flush=True)
'''


def run(arena, lossless=()):
    r = lib.Record([lib.PYTHON, "-c", FIREHOSE], ["--arena", arena, *lossless])
    lib.check(r.wait(120) == 0, "exit", r.err())
    lib.check(r.out().strip() == str(2000 * 50009), "the program was harmed:", r.out())
    lib.check(lib.balanced(r.rec), "the sums do not agree:", lib.ledger(r.rec))
    lib.check(lib.reprise("verify", r.rec).returncode == 0, "verify")
    return lib.ledger(r.rec), r.err()


small, said = run("64K")
lost = small["arena"]["lost"].get("arena full", 0)
lib.check(lost > 0, "nothing was lost in 64 KB:", small)
lib.check("lost 0" not in said, "the summary hides the loss:", said)
lib.check(small["streams"]["lost"].get("missing", 0) > 0, "the streams show no hole:", small)
large, said = run("512M")
lib.check(large["arena"]["lost"] == {}, "lost in 512 MB:", large)
lib.check(large["streams"]["out"] == 2 * 2000 * 50009, "bytes of both ends:", large)
waited, said = run("64K", ["--lossless", "1000"])
lib.check(waited["arena"]["lost"] == {}, "lost although it might wait:", waited)
