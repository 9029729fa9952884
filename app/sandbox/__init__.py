"""A stand-in provider that speaks the OpenAI protocol over real HTTP.

It lets anyone try the product without a provider's account, and lets the tests meet every way in
which a provider can misbehave (`misbehave`). Its answers say that no real model was asked.

An answer is made in three steps: a handler (`chat`, `embeddings`, `images`, `models`) drafts it,
the misbehaviours the request asked for change the draft, `wire` plays it to the socket.
"""
