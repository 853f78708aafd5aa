"""What participants bid: vehicles that charge and sell back, photovoltaics of stations, the grid as backstop.

Pure decisions in integers: the same state gives the same orders. Signing and sending is `oracle.bidding`.
"""
