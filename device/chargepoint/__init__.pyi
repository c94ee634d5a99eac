from .hardware import Hardware as Hardware
from .point import ChargePoint as ChargePoint
