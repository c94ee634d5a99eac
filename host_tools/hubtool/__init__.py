"""hubtool: puts MicroPython boards on Azure Web PubSub, from a laptop.

From the top down; each package imports those below it only, and `make lint` checks that:

    commands          one module for each verb: its arguments, then the calls of what follows
    demo              the two boards, the operator and the course of `hubtool demo`
    servers           `handler` and `negotiate`, each with its table; `serve`: the local service
                      with a handler beside it
    firmware_project  sources for an image with the code in the flash
    settings          a settings file on its way to a board: see there
    board             a board at its serial port: `serial_link`, `files`, and what is done with
                      them: `deployment`, `flashing`, `monitoring`. `on_board/` has what runs
                      there, over the raw REPL: MicroPython, linted and tested like device/
    tokens            Client Access Tokens: `access_token` reads them; `maker` makes them by a
                      key, `entra` by Microsoft Entra ID
    device_build      what goes onto a board, built of the sources
    console, steps, names, secrets, errors    what all of them use
"""
