"""The demo: a local service, an event handler, two simulated boards, and an operator.

Everything in it is a part that users have too: it only puts them together and shows what happens.
"""
