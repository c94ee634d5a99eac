"""Texts without secrets in them.

Loaded by who has met a token, with `once`: nothing here may wait, stay or be kept.
"""


def hide(text):
    """A text without the JSON Web Tokens in it: some servers quote what they refuse."""
    while True:
        start = text.find("eyJ")  # how each of them begins: {" in base64
        if start < 0:
            return text
        end = start
        while end < len(text) and (
            text[end].isalpha() or text[end].isdigit() or text[end] in "-_."
        ):
            end += 1
        text = text[:start] + "(hidden)" + text[end:]
