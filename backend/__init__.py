"""The operators' service: takes signed readings in, settles them on chain, and audits."""
