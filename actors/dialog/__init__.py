"""The user agent: attempts, calls and offer/answer (RFC 3261 sections 8, 12 to 15; RFC 3264)."""
