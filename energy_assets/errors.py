"""The exceptions of the package: one small tree, each message one sentence a user can act on.

``EnergyAssetsError``
├── ``SettingsError``       a setting is missing, wrong or contradictory
├── ``CatalogueError``      an unknown dataset or an entry that contradicts itself
├── ``CalendarError``       a day or period that does not exist, or lies beyond the published holidays
├── ``FetchError``          nothing trustworthy came from a provider
│   ├── ``TransportError``      no or broken connection, timeout, truncated body
│   ├── ``StatusError``         the provider answered with an error status
│   └── ``WindowTooLargeError`` the provider names a smaller limit for the window
├── ``SpoolError``          bodies cannot be kept or read: the disk is full, not writable, or the body is gone
├── ``ListenError``         the push service cannot be listened to
│   ├── ``RefusedError``        credentials or queue are refused: trying again changes nothing
│   ├── ``UnreachableError``    the queue could not be reached for long
│   └── ``SecondListenerError`` another listener holds the drop folder
├── ``SheetError``          the sheet that mirrors the status is refused or not as it should be
│   └── ``SheetUnreachableError`` it could not be reached in the time given
├── ``ContractError``       an answer came, and is not what was asked for
└── ``WarehouseError``      the store refused, is busy, full or foreign
    ├── ``NothingYetError``     nothing was ever fetched of what is to be read
    ├── ``WarehouseBusyError``
    ├── ``ForeignRowsError``    synthetic rows for a store of real ones, or the reverse
    ├── ``MovedError``          somebody else changed what was about to be replaced
    └── ``UnknownAsOfError``    nothing was held yet at the moment asked about
"""

from __future__ import annotations

from datetime import timedelta


class EnergyAssetsError(Exception):
    """Base of every error this package raises on purpose."""


class SettingsError(EnergyAssetsError):
    """A setting is missing, wrong or contradictory."""


class CatalogueError(EnergyAssetsError):
    """A dataset is unknown, or a catalogue entry contradicts itself."""


class CalendarError(EnergyAssetsError):
    """A day or settlement period does not exist, or lies beyond the published holidays."""


class FetchError(EnergyAssetsError):
    """Nothing trustworthy came from a provider."""


class TransportError(FetchError):
    """The connection failed, timed out or ended early, after all retries."""


class StatusError(FetchError):
    """The provider answered with an error status, after all retries.

    Attributes:
        status: HTTP status code.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class WindowTooLargeError(FetchError):
    """The provider refuses the window because it is longer than its limit.

    Attributes:
        limit: The limit it named, or ``None`` where the text names none.
    """

    def __init__(self, message: str, limit: timedelta | None) -> None:
        super().__init__(message)
        self.limit = limit


class SpoolError(EnergyAssetsError):
    """A body cannot be kept on disk or read back."""


class ListenError(EnergyAssetsError):
    """The push service cannot be listened to."""


class RefusedError(ListenError):
    """Credentials or queue are refused: somebody has to change something before it is worth trying again."""


class UnreachableError(ListenError):
    """The queue could not be reached for longer than we wait."""


class SecondListenerError(ListenError):
    """Another listener holds the drop folder."""


class SheetError(EnergyAssetsError):
    """The sheet that mirrors the status refuses us: somebody has to change something first."""


class SheetUnreachableError(SheetError):
    """The sheet could not be reached, or had no quota left, in the time given; the next sync makes it good."""


class ContractError(EnergyAssetsError):
    """An answer came, and is not what was asked for or not what the catalogue describes."""


class WarehouseError(EnergyAssetsError):
    """The store refused a read or write."""


class NothingYetError(WarehouseError):
    """Nothing was ever fetched of what is to be read."""


class WarehouseBusyError(WarehouseError):
    """Another process held the store for longer than we wait."""


class ForeignRowsError(WarehouseError):
    """The rows are synthetic and the store holds real ones, or the reverse."""


class MovedError(WarehouseError):
    """Somebody else changed what was about to be replaced; nothing was replaced."""


class UnknownAsOfError(WarehouseError):
    """Nothing of the dataset was held yet at the moment asked about."""
