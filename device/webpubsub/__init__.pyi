import types

from .anonymous import Anonymous as Anonymous
from .backoff import Backoff as Backoff
from .client import WebPubSubClient as WebPubSubClient
from .credentials import AccessToken as AccessToken
from .errors import AckError as AckError
from .errors import ConnectionClosed as ConnectionClosed
from .errors import DeadlineError as DeadlineError
from .errors import HandshakeError as HandshakeError
from .errors import OutOfMemory as OutOfMemory
from .errors import ProtocolError as ProtocolError
from .errors import SessionLost as SessionLost
from .errors import Stopped as Stopped
from .errors import TransportError as TransportError
from .errors import WebPubSubError as WebPubSubError
from .messages import Message as Message
from .negotiate import Negotiate as Negotiate
from .outbox import Outbox as Outbox
from .tls import tls_context as tls_context
from .tls import unverified_tls_context as unverified_tls_context
from .websocket import WSMsgType as WSMsgType
from .websocket import ws_connect as ws_connect

__version__: str

def once(name: str) -> types.ModuleType: ...
