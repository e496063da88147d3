"""The media layer: RTP, RTCP, jitter buffer, codecs, playing and recording, on one pacing loop (RFC 3550, 3551)."""
