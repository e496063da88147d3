"""The transport layer: sockets, framing, Via stamping, location, admission (RFC 3261 section 18, RFC 3263)."""
