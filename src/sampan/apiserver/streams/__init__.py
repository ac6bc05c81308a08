"""Streams to containers, passed on to the kubelet, which serves WebSockets only.

kubelet.py      where a node's kubelet is, and connections to it
relay.py        a WebSocket client's bytes, passed on as they are
spdy.py         SPDY/3.1 framing, for clients of old; pure
session.py      SPDY streams on a connection
exec.py         exec and attach over SPDY, as WebSocket channels
portforward.py  port-forward over SPDY, also inside a WebSocket
"""
