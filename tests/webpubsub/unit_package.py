"""The package: names load their module when they are first used."""

from checks import equal, raises


def test_names_and_submodules():
    import webpubsub
    from webpubsub import AckError, Backoff, Outbox, ws_connect
    from webpubsub import outbox as module
    from webpubsub import tls as submodule

    equal((AckError.__name__, Backoff.__name__), ("AckError", "Backoff"))
    assert module.Outbox is Outbox
    assert ws_connect is webpubsub.ws_connect
    assert submodule.tls_context is webpubsub.tls_context


def test_a_name_that_is_not_there():
    import webpubsub

    for name in ("nothing", "WebPubSub", "ws"):
        raises(AttributeError, getattr, webpubsub, name)
