"""Sessions: what an entity did with one partner (a place, an account, a domain) in a day, ranked among its
like.
"""
