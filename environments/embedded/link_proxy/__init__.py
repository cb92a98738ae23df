"""The link proxy: a proxy between clients and services whose links can be made bad on purpose.

A program of its own (standard library only, started by path), so that the load a client offers and the delay
a link adds never share an interpreter. One process carries all links. It is told what to do over a control
port: one JSON object a line in, one out (see `control`). A link in no condition passes bytes on untouched. A link
listens on a TCP port or a Unix socket and leads to a TCP port or a Unix socket.

Conditions of a link:
    cut                         refuse new connections (the kernel answers), close the open ones
    reset                       accept and answer with RST; the open ones get RST too
    hang                        accept, but pass nothing on, not even the end of a connection
    latency_ms, jitter_ms       each byte arrives later by latency +- jitter, in order; a delay, not a brake
    bandwidth_bytes_per_second  all connections of the link share it, per direction
    direction                   "both" (default), "to-server" or "to-client", for all but cut and reset

Healing acts at once on new and open connections: what a hang or a latency held back is passed on immediately;
what cut and reset closed stays closed. A full receiver stops the sender (backpressure), a half-closed
connection stays half open. A target that refuses shows as an accepted connection that is reset, because
user space cannot look at the target before the kernel has accepted.

Unix sockets have no RST. Their kernel says "connection reset" only to a peer of whose bytes some were never read, and
the end of the stream to any other; who then writes gets EPIPE. So a reset is that on a Unix socket: a new connection
is not read from and closed when its client has sent something, after 50 ms at the latest; an open one is closed as it
is, so that its client finds a reset if it was just sending, and else the end. The file of a Unix link that is cut
stays where it is, and nobody answers there.

Measured by tests/faults/measure_link_proxy.py (November 2026, two cores, three runs): a healthy TCP link adds 0.01 to
0.08 ms to a round trip of 64 bytes at the median (p99 with link 0.10 to 0.24 ms, without 0.01 to 0.07 ms), costs 0.01
to 0.04 ms of CPU each, and carries 1.5 to 2.1 GB/s of a bulk transfer. A Unix link adds 0.01 ms (p99 with link 0.03 to
0.15 ms, without 0.01 to 0.06 ms), costs 0.01 to 0.02 ms of CPU, and carries 1.9 to 3.9 GB/s. The process is ready
after 0.06 s and stays at 24 MiB. With `pgbench -S -c 4` through HAProxy on a machine busy with
other work (load average 6 to 10) a link adds 0.3 to 0.4 ms to a transaction on average.
"""
