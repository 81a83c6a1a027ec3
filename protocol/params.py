"""Every number of the protocol, unit in its name, source beside it.

Numbers on which nodes must agree but which a co-op may choose are fields of its charter or template, not here.
Spec: cited per line; (g) marks a guess to be tuned by simulation.
"""

# Encoding (01-record)
DEPTH_MAX = 12  # ENC-5 (g)
ARRAY_ITEMS_MAX = 4096  # ENC-6 (g)
MAP_ITEMS_MAX = 256  # ENC-6 (g)
VALUE_BYTES_MAX = 1 << 20  # ENC-6, one frame of the mesh
INTEGER_MAX = 2**53 - 1  # ENC-2, what every language holds exactly

# Records (01-record)
RECORD_BYTES_MAX = 64 * 1024  # REC-4, header, signature and body together
HEADER_BYTES_MAX = 2048  # REC-4
REFS_MAX = 16  # REC-9
SCOPE_BYTES_MAX = 128  # REC-7
SLOT_NAME_BYTES_MAX = 96  # REC-8
UNKNOWN_KIND_BYTES_MAX = 4096  # REC-12
DAY_MS = 86_400_000
UNKNOWN_KIND_LIFE_MS = 7 * DAY_MS  # REC-12
LIFE_MS_MAX = 3660 * DAY_MS  # REC-10 (g), ten years
CLOCK_AHEAD_MS_MAX = 10 * 60 * 1000  # REC-13
TEXT_BYTES_MAX = 2048  # REC-11, free text

# Identity (02-identity)
PERSONA_SCAN = 20  # IDN-3, unknown personas in a row that end a restore's scan
PERSONAS_MAX = 64  # IDN-20, whose recovery keys a keystore knows without the words
PROOF_LIFE_MS = 90 * DAY_MS  # IDN-38 (g)
NEAR_MS = 600_000  # IDN-41 (g), within which others count as about then
PROOFS_MAX = 256  # IDN-39 (g), that one node believes
FROZEN_MAX = 16_384  # (g) frozen personas that a node keeps in mind
SUCCESSIONS_MAX = 8  # IDN-32 (g), in one chain
PERSONA_LIFE_MS = LIFE_MS_MAX  # IDN-10, as long as a record can live

# Gossip (03-gossip)
PENDING_PER_PEER_MAX = 256  # GOS-6 (g), records waiting for their refs
PENDING_BYTES_MAX = 1 << 20  # GOS-6 (g), and what they may weigh together
SCOPES_PER_PEER_MAX = 4096  # GOS-2 (g)
SCOPES_PER_MESSAGE_MAX = 256  # GOS-2 (g)
SCOPES_CARRIED_MAX = 100_000  # GOS-3 (g), a relay's, those it follows for itself included
RELAYS_KEPT_MAX = 3  # GOS-61 (g), relays that a home keeps links to
RELAYS_ASKED = 2  # GOS-63, relays whose union is taken to be whole
RELAYS_ADDED_MAX = 32  # GOS-61 (g), by its person and by invitations
RELAYS_LEARNED_MAX = 64  # GOS-61 (g)
RELAYS_NEARBY_MAX = 16  # LAN-3 (g)
DEALS_EMPTY_MAX = 1000  # GOS-3 (g), deals that a supplier follows for a headline and holds no record of
WANT_IDS_MAX = 1000  # GOS-5 (g)
MESSAGE_BYTES_MAX = 128 * 1024  # GOS-1 (g)
FETCH_RANGES_MAX = 1000  # GOS-43 (g)
FETCH_RECORDS_MAX = 2048  # GOS-43 (g), records in answer to one message; marks in it
FETCH_SCAN_MAX = 8192  # GOS-43 (g), items looked at for one message
ASKED_MAX = 4000  # GOS-44 (g), records fetched from one neighbour and not here yet
GIVEN_MAX = 4000  # GOS-44 (g), records given in sessions and not acknowledged
SESSIONS_MAX = 16  # GOS-41 (g), at a time over one link; with more scopes than that their states are compared first
CONTEXTS_MAX = 512  # (g) in memory, beyond those that are not idle
SHELVES_MAX = 2048  # (g) carried scopes in memory
SHELVED_ITEMS_MAX = 300_000  # (g) records in them, 120 to 220 bytes each
COMPARE_MS = 1000  # GOS-41 (g), from the link to the first comparison, so that subscriptions arrive
DECLINED_MAX = 4096  # GOS-44 (g), ids that were ignored, and are not fetched again for a while
SYNC_FRAME_BYTES_MAX = 60_000  # GOS-4 (g)
SYNC_MESSAGE_BYTES_MAX = 65_536  # SYN-3 (g), about 2,000 ids
SYNC_RANGES_ANSWERED_MAX = 2048  # SYN-18 (g), each may cost a fingerprint: some 25 ms in all
SYNC_RANGES_MAX = 8192  # SYN-3, more than an honest answer to that many bytes of fingerprints holds
SYNC_HAVE_IDS_MAX = 2_048  # SYN-14 (g), ids to give away found in one message
SYNC_ROUNDS_MAX = 4096  # SYN-15 (g), eight million differences at 2,000 a round
HAVE_MS = 100  # GOS-21 (g), records taken in this time are announced together
GRAFT_MS = 1_000  # GOS-22 (g), from an announcement until the record is asked for, and from one asked to the next
GRAFTS_MAX = 4  # GOS-22 (g), attempts at one record; then reconciliation finds it
HOLDERS_MAX = 8  # GOS-22 (g), announcers remembered of one missing record
MISSING_PER_PEER_MAX = 2000  # GOS-22 (g), records that one neighbour announced first and that are missing
MISSING_MAX = 20_000  # GOS-22 (g), and of all neighbours together
PRUNE_AGAIN_MS = 5_000  # GOS-23 (g), a prune that does not help is said again
RECENT_MAX = 16_384  # GOS-23 (g), records of which is remembered who gave them first
ADDRESS_BYTES_MAX = 512  # GOS-30, MSH-17
ACTIVE_MAX = 5  # GOS-31, HyParView (2007), section 5.1
ACTIVE_LEAST = 4  # GOS-31 (g), with fewer a relay looks for another; one less than the most, so that requests find room
ACTIVE_OURS_LEAST = 2  # GOS-31 (g), places that a relay fills by its own choice, whoever comes in
PASSIVE_MAX = 30  # GOS-33, HyParView, section 5.1
PASSIVE_PER_SOURCE_MAX = 10  # GOS-33 (g), relays that one neighbour told of
PASSIVE_PER_PREFIX_MAX = 3  # GOS-33 (g), relays whose hosts are near to each other
WALK_HOPS_MAX = 6  # GOS-32, HyParView's active random walk length
WALK_HOPS_PASSIVE = 3  # GOS-32, HyParView's passive random walk length
WALKS_PER_PEER_MAX = 64  # GOS-32 (g), passed on for one neighbour between two shuffles
SHUFFLE_ADDRESSES_MAX = 8  # GOS-33, HyParView: itself, three active, four passive
SHUFFLE_MS = 30_000  # GOS-33 (g), between two shuffles of a relay, and a random share of a quarter more
LEARN_MS = 600_000  # GOS-34 (g), between two requests of a node that is no relay
SHUFFLE_LEAST_MS = 5_000  # GOS-33 (g), a neighbour that shuffles more often is not answered
STIRS_AFTER_LOSS = 1  # GOS-31 (g), and so many in a row when a relay is new or has lost a neighbour
STIR_SHUFFLES = 64  # GOS-31 (g), of so many shuffles one is followed by a join, so that no part stays by itself
ATTACH_MS = 10_000  # GOS-31 (g), a dial or a request that nothing came of by then has failed
LIVE_INTENTS_MAX = 5  # GOS-7 (g), per author and board
INTENT_LIFE_MS = 30 * DAY_MS  # INT-5 (g), beyond its ready-by date
ATTESTATION_LIFE_MS = 1825 * DAY_MS  # ATT-4 (g), five years

# Decisions (06-decision)
WITNESSES_MAX = 16  # DEC-1 (g)
ROUND_DOUBLINGS_MAX = 3  # DEC-8, time-outs double, capped at 8x
ROUND_MAX = 10_000  # DEC-8 (g)
RECEIPT_IDS_MAX = 64  # DEC-12 (g)
BOX_IDS_MAX = 1200  # DEC-13 (g), so that a manifest fits a record

# Preference (04-preference)
TASKS_MAX = 200  # PRF-1 (g), choices of one member
ALTERNATIVES_MAX = 64  # PRF-1 (g), in one task
PRIOR_TASKS = 2.0  # PRF-3, the prior weighs as much as this many tasks; measured in decision 0010
POOL_PERSONS_PER_ATTRIBUTE = 2  # PRF-4, members' worth of the lone prior in a pool's; measured in decision 0010
LEVELS_MAX = 5  # PRF-5, PROTOCOL 1
LEVEL_OF_ROOT = 0.4  # PRF-5, of the root mean square of a member's effects; measured in decision 0010
LEVEL_LEAST = 0.1  # PRF-5 (g), an effect below it says nothing
FIT_INLINE_MAX = 100_000  # (g) rows × attributes² fitted on the spot; more take over 50 ms and go to a worker
CARDS_MAX = 8  # PRF-13, a handful
CORRECTION_STEPS_MAX = 8  # PRF-16 (g)
CARD_ALTERNATIVES = 4  # PRF-13, PROTOCOL 4
CARD_DRAWS = 24  # PRF-14 (g)
CARD_TERMS_MAX = 60_000  # PRF-14 (g), products of a weight and a value: about 30 ms
LEVEL_UTILITY = 1.0  # PRF-6 (g), a level: one spread of the attribute moves the odds by e
COORDINATE_MAX = 127  # PRF-8, FRM-1

# Formation of groups (05-formation)
GROUP_SIZE_MAX = 10_000  # FRM-2, keeps the arithmetic of FRM-7 within 63 bits
NEIGHBOURHOOD_MAX = 512  # FRM-6 (g), entries that settle among each other; bounds what one newcomer can disturb
SETTLE_ROUNDS = 8  # FRM-7 (g)
FORM_LEAF_MAX = 256  # (g) entries of a board that are divided anew together when one of them comes or goes
WINDOW_MS = 28 * DAY_MS  # FRM-9 (g), who is ready within the same four weeks

# Co-ops (05-formation)
MEMBERS_MAX = 500  # FRM-20 (g)
BEFORE_MAX = 8  # FRM-37 (g), co-ops that one comes from
INVITATIONS_MAX = 1_000  # CLI-70 (g), made at a time

RANKED_MAX = 64  # ELE-60 (g), candidates that one ballot names
BALLOT_FRAME_BYTES = 5  # ELE-60, the length of a ranking, and the head of its list of tiers
BALLOT_NAME_BYTES = 35  # ELE-60, a key in a tier of its own, encoded; in a tier with others it takes no more
EVIDENCE_MAX = 8  # ELE-34 (g), records attached to a join or nomination
EVIDENCE_BYTES_MAX = 5_000  # ELE-34 (g), each: with an intent of 20,000 they stay within a record
VOUCH_LIFE_MS = 365 * DAY_MS  # ELE-37 (g)
FAULTS_SHOWN_MAX = 3  # ELE-54 (g), proofs against one author that a scope leads to

# Templates (04-template)
TEMPLATE_ATTRIBUTES_MAX = 32  # TPL-4 (g)
CHARGES_MAX = 8  # TPL-11 (g)
TYPICAL_MAX = 6  # TPL-13 (g), more levels of an attribute make cards no better
SUBJECT_MAX = 48  # TPL-15 (g), characters
PACK_MAX = 48  # TPL-1 (g), counted units in one pack; bounds the search of NEG-16

# Negotiation (08-negotiation)
QUOTE_BYTES_MAX = 8192  # NEG-1 (g)
RUNGS_MAX = 16  # NEG-2 (g)
SKU_MAX = 64  # NEG-1, bytes of a supplier's own name for an article
ARTICLES_MAX = 100_000  # SUP-5 (g), of one board
CHOOSE_HERE_MAX = 300  # SUP-10 (g), articles; beyond it a worker chooses, 15 ms being what the loop can spare
DOMAIN_LIFE_MS = 366 * DAY_MS  # SUP-50 (g), of a proof in the file at a domain
DETAIL_BYTES = 1024  # SUP-32 (g), what every sealed name and address is filled up to
FEED_MAX = 10_000  # SUP-21 (g), entries of a supplier's feed
SUPPLIES_MAX = 5_000  # SUP-20 (g), requests whose outcome a supplier's node remembers
BIDS_MAX = 64  # NEG-20 (g), quotations in one ranking
DEFAULTS_READ_MAX = 256  # NEG-65 (g), records in one trust scope that are looked at for proofs of default
SEALED_BLOCK_BYTES = 2048  # NEG-43 (g), a sealed quotation is filled up to so many, or twice as many, …
PARTS_MAX = 32  # NEG-50 (g), suppliers in one award
CRITERIA_MAX = 16  # NEG-32, as many as a request for quotation holds
REQUIREMENTS_MAX = 8  # NEG-71, as many as an intent or a request for quotation holds
TERMS_MAX = 8  # NEG-72, likewise
TURNED_AWAY_MAX = 32  # NEG-86 (g), requests that do not hold, remembered with the reason
TALK_SHOWN_MAX = 500  # NEG-75 (g), questions with their replies, and suggestions, in one answer to a person
TALK_MAX = 64  # NEG-74 (g), queries, and replies, of one author in a deal
ADOPTERS_PART = 3  # NEG-78 (g), a suggestion needs the voices of at least this part of the roster: a third
WEIGHT_FACTOR_MAX = 2  # NEG-70 (g), how far a negotiator may stress what the members' intents say

# Agreements (09-accountability)
NOTICE_MS = {"notice-30-days": 30 * DAY_MS, "notice-90-days": 90 * DAY_MS}  # AGR-14
YEAR_MS = 365 * DAY_MS
PERIOD_MS = {"DAY": DAY_MS, "WEE": 7 * DAY_MS, "MON": YEAR_MS // 12, "ANN": YEAR_MS}  # AGR-10, UN/CEFACT Rec. 20
ATTESTATION_BLOCK_BYTES = 4096  # ATT-10 (g), what is sealed is filled up to so many, or twice as many, …
ATTESTATION_BLOCKS_MAX = 14  # ATT-10, with a share for each of 16 witnesses it still fits a record
OPENED_AT_ONCE_MAX = 32  # (g) sealed attestations opened in one go, a millisecond each
STUCK_MS = 14 * DAY_MS  # FRM-21 (g), PROTOCOL 6: fewer than a quorum answer for so long

# Consent (20-consent)
TERMS_NAME_MAX = 31  # CNS-2, so that a name and its text's hash are one slug of 64
RELS_MAX = 32  # CNS-11 (g), halves of one author in a deal
USE_KEPT_DAYS = 30  # CNS-5 (g), beyond the term, where no data terms are named
ERASE_MS = 7 * DAY_MS  # CNS-17 (g), in which a revocation has to be receipted
DISCLOSURES_MAX = 10_000  # CNS-22 (g), rows of what was disclosed; the oldest are put together
BOARD_OTHERS_LEAST = 20  # CNS-33 (g), authors among whom one intent says little of where somebody lives
AGGREGATE_LEAST = 5  # CNS-30 (g), persons below whom nothing is told of them together

# Deal bundles (12-bundle)
BUNDLE_BYTES_MAX = 16 << 20  # BUN-2 (g), 500 members, 16 witnesses and 64 suppliers need about 5 MiB
BUNDLE_RECORDS_MAX = 20_000  # BUN-2 (g)
BUNDLE_TERMS_MAX = 8  # BUN-2 (g), mandates before one negotiator asked; bounds what a forger can make others compute

# Logs (01-record, 03-gossip)
ONCE_HELD_MAX = 4  # REC-14 (g), ids held of one `once` slot; two are the proof
AUTHORS_MAX = 20_000  # GOS-8 (g), per scope
AUTHOR_RECORDS_MAX = 4_000  # GOS-8 (g), per author and scope
NEWCOMERS_MAX = 64  # GOS-50 (g), authors that one link which came in may bring into crowded scopes
CARRIED_ASKED_MAX = 1200  # GOS-42 (g), ids per scope that neighbours wanted and a carrier did not hold
FOUND_WITNESSES = 4  # FRM-14 (g), of a computed group: the least number that bears one fault
FOUNDERS_MAX = 5  # FRM-13 (g), how many of a group may write the charter, one after another

# Reputation (10-reputation); floats serve one observer only and are never compared between nodes
GOOD_HALF_LIFE_MS = 180 * DAY_MS  # REP-3 (g)
BAD_HALF_LIFE_MS = 360 * DAY_MS  # REP-3 (g)
GOOD_WINDOW_MS = 30 * DAY_MS  # REP-2 (g), one unit of good per pair in each
FIRST_SIGHT_MS = 72 * 3_600_000  # REP-1 (g)
EDGE_HALF = 3  # REP-5 (g), evidence that makes an edge of one half
BAD_COST = 4  # REP-5 (g), units of good that one of bad undoes
REMEDY_SHARE = 0.25  # REP-4 (g)
SPONSOR_MS = 360 * DAY_MS  # REP-6, PROTOCOL 10: so long after a vouch its author answers for it
VOUCH_GOOD = 0.75  # REP-6, an edge of 0.2 by itself
SPONSOR_BAD = 0.3  # REP-6 (g)
RESTART = 0.30  # REP-7, MeritRank (arXiv 2207.09950)
BOTTLENECK_DECAY = 0.90  # REP-8 (g)
BOTTLENECK_SHARE = 0.80  # REP-8 (g)
REPORT_HALF = 0.003  # REP-9 (g), visits to a reporter at which its word is half a word
EXPECTATION_DOUBT = 1  # REP-9 (g), words that weigh as much as what the observer expects of anybody
OWN_DOUBT = 3  # REP-14 (g), own opinions that weigh as much as those of whom one trusts
OUTLOOK = 0.8  # REP-14 (g), what who trusts nobody yet expects of anybody
NEWCOMER_OUTCOMES = 3  # REP-12 (g)

# Reputation scopes (09-accountability)
TRUST_PREFIX_DIGITS = 1  # ATT-4 (g), hex digits of the subject's key that name the scope

# Remedies (19-remedy)
VOICES_MAX = 4  # RMD-2 (g), of one side about the other under one agreement
WORDS_MAX = 8  # RMD-2 (g), of each who speaks under one voice
PLANS_MAX = 4  # RMD-2 (g), likewise
REMEDIES_MAX = 8  # RMD-20 (g), in one plan
MEDIATORS_MAX = 8  # RMD-14 (g), that one side accepts, or a charter names
READERS_MAX = 3  # RMD-5, two sides and a mediator
WORDS_BYTES = 2048  # RMD-5 (g), what every text is filled up to
HANDOVER_BYTES = 4096  # RMD-18 (g), keys of all that was said, and three pulses
SUMMONS_BYTES = 96  # RMD-17, a deal and a voice
OFFER_LIFE_MS = 90 * DAY_MS  # RMD-14 (g), of an offer to mediate
SUMMONED_MAX = 16  # RMD-17 (g), deals that a mediator follows because it was summoned
SUMMONS_TRIED_MAX = 256  # RMD-17 (g), summons in one trust scope that are tried

# Rooms (11-room)
EPOCH_INDEX_MAX = 4095  # ROO-8 (g), what one sender says in one epoch; bounds how far a chain is walked
EPOCH_MS = DAY_MS  # ROO-6, and no longer than the charter's mandates last
EPOCH_SLACK = 4  # ROO-6 (g), of an epoch's life the part by which the last in turn may come later than the first
ROOM_SIZES = (
    *(384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12_288, 16_384, 24_576, 32_768, 49_152),
    64_512,
)  # ROO-9 (g), what a content with its length is filled up to; the last leaves 1 KiB for the envelope
UNLOCKS_MAX = 4  # ROO-7 (g), epochs of one maker that somebody asks one node about
ANSWERS_MAX = 1_000  # ROO-7 (g), of one node in one scope, so that its own words keep their place (GOS-8)

# Relays and mail (15-relay)
RULES_MAX = 10_000  # REL-2 (g), own rules of a node
FOLLOWING_MAX = 16  # REL-9 (g), relays whose notices one follows
NOTICES_MAX = 1_000  # REL-9 (g), of each of them
NOTICE_LIFE_MS = 365 * DAY_MS  # REL-8 (g)
POLICIES_MAX = 64  # REL-7 (g), of relays that were dialled
POLICY_LIFE_MS = 365 * DAY_MS  # REL-7 (g)
MAIL_PREFIX_DIGITS = 3  # REL-10, twelve bits: some hundreds of homes share a prefix in a network of a million
MAIL_SIZES = (512, 1280, 2560)  # REL-10, of a letter before it is sealed
MAIL_LIFE_MS = 14 * DAY_MS  # REL-10 (g)
MAIL_FUZZ_MS = 6 * 3_600_000  # REL-12 (g)
MAIL_TOKENS_MAX = 16  # REL-13 (g), each costs one try for every letter of the prefix
MAIL_TRIES_MAX = 50  # REL-13 (g), letters tried in one go
MAILBOX_MAX = 500  # REL-13 (g)
MAIL_RECORDS_MAX = 2_000  # REL-14 (g), per prefix
MAIL_BYTES_MAX = 4 << 20  # REL-14 (g), per prefix
MAIL_MINUTE_MAX = 60  # REL-15 (g), per link that came in
MAIL_OUTGOING_MAX = 64  # REL-17 (g)
MAIL_RELAYS = 2  # REL-17 (g), relays that hold a letter before its sender lets go

# Keeping (18-keeping)
DEVICE_LIFE_MS = 365 * DAY_MS  # KEP-12 (g)
LISTEN_ROUNDS = 2  # KEP-12 (g), reconciliations for which a restored device listens before it signs
SOUGHT_MAX = 256  # KEP-19 (g), calls of one board that a restored device looks into
BACKUP_NAG_MS = 30 * DAY_MS  # KEP-8 (g)
VANISH_MS = DAY_MS  # KEP-32, PROTOCOL 1

# Engine
SETTLE_STEPS_MAX = 1000  # (g) contexts attended to in one tick; the rest wait for the next
FORM_INLINE_MAX = 5_000  # (g) entries grouped on the spot; more take over 50 ms and go to a worker
LOOK_INLINE_MAX = 200  # REP-19 (g), rows of evidence looked at on the spot; more take over 50 ms and go to a worker
FORM_CHANGES_MAX = 50  # (g) unless hardly any have come or gone since the last time
FORMATIONS_KEPT = 4  # (g) epochs whose groups are remembered per board

# Risk (21-risk)
RISK_LOW_MAX = 500_000  # RSK-2 (g), minor units paid before delivery times months until the last of it
STAKES_MAX = 10**15  # RSK-1, of one member's share over the term
