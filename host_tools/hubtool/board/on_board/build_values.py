"""What `firmware.build` of a board says, for `hubtool`: `board/deployment.py` asks."""


def build_values():
    """Its names in capitals but for the date; empty when there is none, or none that loads."""
    try:
        import firmware.build as build
    except Exception:  # noqa: BLE001 - half a file, or other bytecode: any kind of error
        return {}
    return {name: getattr(build, name) for name in dir(build) if name.isupper() and name != "DATE"}
