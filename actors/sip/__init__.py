"""The vocabulary of SIP: messages, URIs, headers, SDP. Pure, standard library only."""
