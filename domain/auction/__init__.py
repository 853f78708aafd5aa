"""The auction of a market interval: orders, the book, its clearing, and the check of a clearing.

The rules are those of docs/reference/auction.md, which the contract `AuctionHouse` follows to the unit as well.
"""
