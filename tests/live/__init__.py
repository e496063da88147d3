"""The real service against real peers: which peer that nobody here wrote proves which feature.

=================  ====================================================================================================
SIPp               calls in and out over UDP and TCP, IPv4 and IPv6, a hundred a second (test_calls_sipp); in depth, one
                   scenario a feature (test_calls_in_depth): hold, UPDATE, session timers refreshed by either side, 422,
                   491, late offers, 100rel, early media, forks, 3xx, CANCEL and its races, REFER with NOTIFY in both
                   roles, Replaces, INFO, requests of any method both ways, a strict router, bodies and extensions; 401,
                   407, stale nonces, several realms, MESSAGE, SUBSCRIBE, PUBLISH, MWI, OPTIONS, REFER outside of a call
                   (test_accounts_sipp); a trunk's limits over shards (test_trunk_limits);
                   keys by RFC 4733 (test_keys); the audio of G.711 whole (test_audio_sipp); several targets, and
                   those that refuse, are silent or late (test_failover); SDP of the application's
                   (test_signalling_only); ringing on a sound card (test_sound_devices); placement in threads
                   (test_thread_placement); what watches a transaction (test_observing)
Kamailio           registrar and proxy with MD5 and SHA-256 over UDP, TCP and TLS (test_registrar_kamailio);
                   flows of RFC 5626 (test_flows_kamailio); in the route of every dialog (test_through_kamailio); the
                   telephone of the examples (test_josua); accounts that a reload takes out or changes (test_reload)
linphonec          attended transfer with Replaces in every role and across shards, SHA-256, session timers that it
                   refreshes, PRACK to our reliable early media (test_linphone); SRTP with PCMU, PCMA, G.722 and Opus
                   (test_srtp); pauses that are sent whole where it takes no comfort noise (test_comfort_noise)
baresip            tones heard both ways (test_baresip), in each of its codecs (test_baresip_codecs); hold and blind
                   transfer from both sides (test_baresip_calls); SRTP (test_srtp); rtcp-mux (test_rtcp_mux); recordings
                   of both sides (test_files, test_ogg_recording); a bad network (test_simulated_network)
sipsak             OPTIONS (test_sipsak)
openssl s_client   TLS (test_tls)
rtpengine          audio relayed (test_rtpengine)
=================  ====================================================================================================

SHA-512-256 has no such peer on Debian: vectors and our two roles show it (tests/sip, tests/dialog).
"""
