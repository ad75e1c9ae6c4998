from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Series(_message.Message):
    __slots__ = ("dataset", "instrument", "timeframe")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENT_FIELD_NUMBER: _ClassVar[int]
    TIMEFRAME_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    instrument: str
    timeframe: str
    def __init__(self, dataset: _Optional[str] = ..., instrument: _Optional[str] = ..., timeframe: _Optional[str] = ...) -> None: ...

class TimeRange(_message.Message):
    __slots__ = ("start", "end")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    start: int
    end: int
    def __init__(self, start: _Optional[int] = ..., end: _Optional[int] = ...) -> None: ...

class Ticket(_message.Message):
    __slots__ = ("read", "catalog", "gaps", "subscribe", "replicate", "copy", "segment", "latest", "asof", "sql", "windows", "stretches")
    READ_FIELD_NUMBER: _ClassVar[int]
    CATALOG_FIELD_NUMBER: _ClassVar[int]
    GAPS_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIBE_FIELD_NUMBER: _ClassVar[int]
    REPLICATE_FIELD_NUMBER: _ClassVar[int]
    COPY_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    LATEST_FIELD_NUMBER: _ClassVar[int]
    ASOF_FIELD_NUMBER: _ClassVar[int]
    SQL_FIELD_NUMBER: _ClassVar[int]
    WINDOWS_FIELD_NUMBER: _ClassVar[int]
    STRETCHES_FIELD_NUMBER: _ClassVar[int]
    read: ReadRequest
    catalog: CatalogRequest
    gaps: GapsRequest
    subscribe: SubscribeRequest
    replicate: ReplicateRequest
    copy: CopyRequest
    segment: SegmentRequest
    latest: LatestRequest
    asof: AsOfRequest
    sql: SqlRequest
    windows: WindowsRequest
    stretches: StretchesRequest
    def __init__(self, read: _Optional[_Union[ReadRequest, _Mapping]] = ..., catalog: _Optional[_Union[CatalogRequest, _Mapping]] = ..., gaps: _Optional[_Union[GapsRequest, _Mapping]] = ..., subscribe: _Optional[_Union[SubscribeRequest, _Mapping]] = ..., replicate: _Optional[_Union[ReplicateRequest, _Mapping]] = ..., copy: _Optional[_Union[CopyRequest, _Mapping]] = ..., segment: _Optional[_Union[SegmentRequest, _Mapping]] = ..., latest: _Optional[_Union[LatestRequest, _Mapping]] = ..., asof: _Optional[_Union[AsOfRequest, _Mapping]] = ..., sql: _Optional[_Union[SqlRequest, _Mapping]] = ..., windows: _Optional[_Union[WindowsRequest, _Mapping]] = ..., stretches: _Optional[_Union[StretchesRequest, _Mapping]] = ...) -> None: ...

class ReadRequest(_message.Message):
    __slots__ = ("dataset", "instruments", "timeframe", "range", "columns", "limit", "tail", "snapshot", "identity", "strict", "closed", "resample", "fill", "label_close", "boot_id")
    class Identity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        IDENTITY_AUTO: _ClassVar[ReadRequest.Identity]
        IDENTITY_COLUMNS: _ClassVar[ReadRequest.Identity]
        IDENTITY_RUNS: _ClassVar[ReadRequest.Identity]
    IDENTITY_AUTO: ReadRequest.Identity
    IDENTITY_COLUMNS: ReadRequest.Identity
    IDENTITY_RUNS: ReadRequest.Identity
    class Fill(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        FILL_NONE: _ClassVar[ReadRequest.Fill]
        FILL_NULL: _ClassVar[ReadRequest.Fill]
        FILL_FORWARD: _ClassVar[ReadRequest.Fill]
    FILL_NONE: ReadRequest.Fill
    FILL_NULL: ReadRequest.Fill
    FILL_FORWARD: ReadRequest.Fill
    DATASET_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENTS_FIELD_NUMBER: _ClassVar[int]
    TIMEFRAME_FIELD_NUMBER: _ClassVar[int]
    RANGE_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    TAIL_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    STRICT_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    RESAMPLE_FIELD_NUMBER: _ClassVar[int]
    FILL_FIELD_NUMBER: _ClassVar[int]
    LABEL_CLOSE_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    instruments: _containers.RepeatedScalarFieldContainer[str]
    timeframe: str
    range: TimeRange
    columns: _containers.RepeatedScalarFieldContainer[str]
    limit: int
    tail: int
    snapshot: str
    identity: ReadRequest.Identity
    strict: bool
    closed: bool
    resample: Resample
    fill: ReadRequest.Fill
    label_close: bool
    boot_id: str
    def __init__(self, dataset: _Optional[str] = ..., instruments: _Optional[_Iterable[str]] = ..., timeframe: _Optional[str] = ..., range: _Optional[_Union[TimeRange, _Mapping]] = ..., columns: _Optional[_Iterable[str]] = ..., limit: _Optional[int] = ..., tail: _Optional[int] = ..., snapshot: _Optional[str] = ..., identity: _Optional[_Union[ReadRequest.Identity, str]] = ..., strict: bool = ..., closed: bool = ..., resample: _Optional[_Union[Resample, _Mapping]] = ..., fill: _Optional[_Union[ReadRequest.Fill, str]] = ..., label_close: bool = ..., boot_id: _Optional[str] = ...) -> None: ...

class Resample(_message.Message):
    __slots__ = ("source", "timezone", "offset")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TIMEZONE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    source: str
    timezone: str
    offset: str
    def __init__(self, source: _Optional[str] = ..., timezone: _Optional[str] = ..., offset: _Optional[str] = ...) -> None: ...

class StreamSeries(_message.Message):
    __slots__ = ("series", "problems", "dataset", "timeframe")
    class Entry(_message.Message):
        __slots__ = ("instrument", "metadata")
        class MetadataEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: str
            def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
        INSTRUMENT_FIELD_NUMBER: _ClassVar[int]
        METADATA_FIELD_NUMBER: _ClassVar[int]
        instrument: str
        metadata: _containers.ScalarMap[str, str]
        def __init__(self, instrument: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...
    SERIES_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    TIMEFRAME_FIELD_NUMBER: _ClassVar[int]
    series: _containers.RepeatedCompositeFieldContainer[StreamSeries.Entry]
    problems: _containers.RepeatedCompositeFieldContainer[Problem]
    dataset: str
    timeframe: str
    def __init__(self, series: _Optional[_Iterable[_Union[StreamSeries.Entry, _Mapping]]] = ..., problems: _Optional[_Iterable[_Union[Problem, _Mapping]]] = ..., dataset: _Optional[str] = ..., timeframe: _Optional[str] = ...) -> None: ...

class BatchRuns(_message.Message):
    __slots__ = ("series", "rows", "problems")
    SERIES_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    series: _containers.RepeatedScalarFieldContainer[int]
    rows: _containers.RepeatedScalarFieldContainer[int]
    problems: _containers.RepeatedCompositeFieldContainer[Problem]
    def __init__(self, series: _Optional[_Iterable[int]] = ..., rows: _Optional[_Iterable[int]] = ..., problems: _Optional[_Iterable[_Union[Problem, _Mapping]]] = ...) -> None: ...

class LocalRows(_message.Message):
    __slots__ = ("schema", "files", "parts")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    schema: bytes
    files: _containers.RepeatedCompositeFieldContainer[LocalFile]
    parts: _containers.RepeatedCompositeFieldContainer[LocalPart]
    def __init__(self, schema: _Optional[bytes] = ..., files: _Optional[_Iterable[_Union[LocalFile, _Mapping]]] = ..., parts: _Optional[_Iterable[_Union[LocalPart, _Mapping]]] = ...) -> None: ...

class LocalFile(_message.Message):
    __slots__ = ("path", "device", "inode", "size", "columns")
    PATH_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    INODE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    path: str
    device: int
    inode: int
    size: int
    columns: int
    def __init__(self, path: _Optional[str] = ..., device: _Optional[int] = ..., inode: _Optional[int] = ..., size: _Optional[int] = ..., columns: _Optional[int] = ...) -> None: ...

class LocalPart(_message.Message):
    __slots__ = ("series", "rows", "file", "offset", "size", "first")
    SERIES_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    series: int
    rows: int
    file: int
    offset: int
    size: int
    first: int
    def __init__(self, series: _Optional[int] = ..., rows: _Optional[int] = ..., file: _Optional[int] = ..., offset: _Optional[int] = ..., size: _Optional[int] = ..., first: _Optional[int] = ...) -> None: ...

class Problem(_message.Message):
    __slots__ = ("instrument", "error")
    INSTRUMENT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    instrument: str
    error: ErrorDetail
    def __init__(self, instrument: _Optional[str] = ..., error: _Optional[_Union[ErrorDetail, _Mapping]] = ...) -> None: ...

class LatestRequest(_message.Message):
    __slots__ = ("dataset", "instruments", "timeframe", "columns", "snapshot")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENTS_FIELD_NUMBER: _ClassVar[int]
    TIMEFRAME_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    instruments: _containers.RepeatedScalarFieldContainer[str]
    timeframe: str
    columns: _containers.RepeatedScalarFieldContainer[str]
    snapshot: str
    def __init__(self, dataset: _Optional[str] = ..., instruments: _Optional[_Iterable[str]] = ..., timeframe: _Optional[str] = ..., columns: _Optional[_Iterable[str]] = ..., snapshot: _Optional[str] = ...) -> None: ...

class AsOfRequest(_message.Message):
    __slots__ = ("left", "right", "tolerance_ns", "suffix")
    LEFT_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    TOLERANCE_NS_FIELD_NUMBER: _ClassVar[int]
    SUFFIX_FIELD_NUMBER: _ClassVar[int]
    left: ReadRequest
    right: ReadRequest
    tolerance_ns: int
    suffix: str
    def __init__(self, left: _Optional[_Union[ReadRequest, _Mapping]] = ..., right: _Optional[_Union[ReadRequest, _Mapping]] = ..., tolerance_ns: _Optional[int] = ..., suffix: _Optional[str] = ...) -> None: ...

class SqlRequest(_message.Message):
    __slots__ = ("query", "parameters", "snapshot", "timeout_seconds", "explain")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    query: str
    parameters: bytes
    snapshot: str
    timeout_seconds: float
    explain: bool
    def __init__(self, query: _Optional[str] = ..., parameters: _Optional[bytes] = ..., snapshot: _Optional[str] = ..., timeout_seconds: _Optional[float] = ..., explain: bool = ...) -> None: ...

class StretchesRequest(_message.Message):
    __slots__ = ("dataset", "instruments", "timeframe", "range", "snapshot", "length", "contiguous")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENTS_FIELD_NUMBER: _ClassVar[int]
    TIMEFRAME_FIELD_NUMBER: _ClassVar[int]
    RANGE_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    CONTIGUOUS_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    instruments: _containers.RepeatedScalarFieldContainer[str]
    timeframe: str
    range: TimeRange
    snapshot: str
    length: int
    contiguous: bool
    def __init__(self, dataset: _Optional[str] = ..., instruments: _Optional[_Iterable[str]] = ..., timeframe: _Optional[str] = ..., range: _Optional[_Union[TimeRange, _Mapping]] = ..., snapshot: _Optional[str] = ..., length: _Optional[int] = ..., contiguous: bool = ...) -> None: ...

class WindowsRequest(_message.Message):
    __slots__ = ("dataset", "timeframe", "columns", "snapshot", "instruments", "length", "series", "since", "first")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    TIMEFRAME_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENTS_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    timeframe: str
    columns: _containers.RepeatedScalarFieldContainer[str]
    snapshot: str
    instruments: _containers.RepeatedScalarFieldContainer[str]
    length: int
    series: _containers.RepeatedScalarFieldContainer[int]
    since: _containers.RepeatedScalarFieldContainer[int]
    first: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, dataset: _Optional[str] = ..., timeframe: _Optional[str] = ..., columns: _Optional[_Iterable[str]] = ..., snapshot: _Optional[str] = ..., instruments: _Optional[_Iterable[str]] = ..., length: _Optional[int] = ..., series: _Optional[_Iterable[int]] = ..., since: _Optional[_Iterable[int]] = ..., first: _Optional[_Iterable[int]] = ...) -> None: ...

class WindowsBatch(_message.Message):
    __slots__ = ("start", "padding")
    START_FIELD_NUMBER: _ClassVar[int]
    PADDING_FIELD_NUMBER: _ClassVar[int]
    start: _containers.RepeatedScalarFieldContainer[int]
    padding: bytes
    def __init__(self, start: _Optional[_Iterable[int]] = ..., padding: _Optional[bytes] = ...) -> None: ...

class CatalogRequest(_message.Message):
    __slots__ = ("dataset", "instruments", "timeframe", "snapshot")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENTS_FIELD_NUMBER: _ClassVar[int]
    TIMEFRAME_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    instruments: _containers.RepeatedScalarFieldContainer[str]
    timeframe: str
    snapshot: str
    def __init__(self, dataset: _Optional[str] = ..., instruments: _Optional[_Iterable[str]] = ..., timeframe: _Optional[str] = ..., snapshot: _Optional[str] = ...) -> None: ...

class GapsRequest(_message.Message):
    __slots__ = ("series", "range", "snapshot", "confirmed")
    SERIES_FIELD_NUMBER: _ClassVar[int]
    RANGE_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    CONFIRMED_FIELD_NUMBER: _ClassVar[int]
    series: Series
    range: TimeRange
    snapshot: str
    confirmed: bool
    def __init__(self, series: _Optional[_Union[Series, _Mapping]] = ..., range: _Optional[_Union[TimeRange, _Mapping]] = ..., snapshot: _Optional[str] = ..., confirmed: bool = ...) -> None: ...

class SubscribeRequest(_message.Message):
    __slots__ = ("dataset", "instruments", "timeframe", "columns", "start", "after_lsn", "closed", "delivered")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENTS_FIELD_NUMBER: _ClassVar[int]
    TIMEFRAME_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    AFTER_LSN_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    instruments: _containers.RepeatedScalarFieldContainer[str]
    timeframe: str
    columns: _containers.RepeatedScalarFieldContainer[str]
    start: int
    after_lsn: int
    closed: bool
    delivered: HistoryPosition
    def __init__(self, dataset: _Optional[str] = ..., instruments: _Optional[_Iterable[str]] = ..., timeframe: _Optional[str] = ..., columns: _Optional[_Iterable[str]] = ..., start: _Optional[int] = ..., after_lsn: _Optional[int] = ..., closed: bool = ..., delivered: _Optional[_Union[HistoryPosition, _Mapping]] = ...) -> None: ...

class HistoryPosition(_message.Message):
    __slots__ = ("instrument", "ts", "rows")
    INSTRUMENT_FIELD_NUMBER: _ClassVar[int]
    TS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    instrument: str
    ts: int
    rows: int
    def __init__(self, instrument: _Optional[str] = ..., ts: _Optional[int] = ..., rows: _Optional[int] = ...) -> None: ...

class LiveBatch(_message.Message):
    __slots__ = ("lsn", "history", "instruments", "series", "rows", "deletes")
    LSN_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENTS_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    DELETES_FIELD_NUMBER: _ClassVar[int]
    lsn: int
    history: bool
    instruments: _containers.RepeatedScalarFieldContainer[str]
    series: _containers.RepeatedScalarFieldContainer[int]
    rows: _containers.RepeatedScalarFieldContainer[int]
    deletes: _containers.RepeatedCompositeFieldContainer[LiveDelete]
    def __init__(self, lsn: _Optional[int] = ..., history: bool = ..., instruments: _Optional[_Iterable[str]] = ..., series: _Optional[_Iterable[int]] = ..., rows: _Optional[_Iterable[int]] = ..., deletes: _Optional[_Iterable[_Union[LiveDelete, _Mapping]]] = ...) -> None: ...

class LiveDelete(_message.Message):
    __slots__ = ("series", "range")
    SERIES_FIELD_NUMBER: _ClassVar[int]
    RANGE_FIELD_NUMBER: _ClassVar[int]
    series: int
    range: TimeRange
    def __init__(self, series: _Optional[int] = ..., range: _Optional[_Union[TimeRange, _Mapping]] = ...) -> None: ...

class CopyRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CopyHeader(_message.Message):
    __slots__ = ("lsn", "files", "bytes")
    LSN_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    lsn: int
    files: int
    bytes: int
    def __init__(self, lsn: _Optional[int] = ..., files: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class ReplicateRequest(_message.Message):
    __slots__ = ("after_lsn",)
    AFTER_LSN_FIELD_NUMBER: _ClassVar[int]
    after_lsn: int
    def __init__(self, after_lsn: _Optional[int] = ...) -> None: ...

class ReplicaBatch(_message.Message):
    __slots__ = ("last_lsn",)
    LAST_LSN_FIELD_NUMBER: _ClassVar[int]
    last_lsn: int
    def __init__(self, last_lsn: _Optional[int] = ...) -> None: ...

class SegmentRequest(_message.Message):
    __slots__ = ("file",)
    FILE_FIELD_NUMBER: _ClassVar[int]
    file: str
    def __init__(self, file: _Optional[str] = ...) -> None: ...

class WriteRequest(_message.Message):
    __slots__ = ("dataset", "protocol")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    protocol: int
    def __init__(self, dataset: _Optional[str] = ..., protocol: _Optional[int] = ...) -> None: ...

class PutCommit(_message.Message):
    __slots__ = ("put_id", "rows", "series")
    PUT_ID_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    put_id: int
    rows: int
    series: _containers.RepeatedCompositeFieldContainer[SeriesPut]
    def __init__(self, put_id: _Optional[int] = ..., rows: _Optional[int] = ..., series: _Optional[_Iterable[_Union[SeriesPut, _Mapping]]] = ...) -> None: ...

class SeriesPut(_message.Message):
    __slots__ = ("instrument", "timeframe", "rows", "covers", "metadata", "grid", "key")
    class Grid(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        GRID_TIMEFRAME: _ClassVar[SeriesPut.Grid]
        GRID_FREE: _ClassVar[SeriesPut.Grid]
    GRID_TIMEFRAME: SeriesPut.Grid
    GRID_FREE: SeriesPut.Grid
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    INSTRUMENT_FIELD_NUMBER: _ClassVar[int]
    TIMEFRAME_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COVERS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    GRID_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    instrument: str
    timeframe: str
    rows: int
    covers: _containers.RepeatedCompositeFieldContainer[TimeRange]
    metadata: _containers.ScalarMap[str, str]
    grid: SeriesPut.Grid
    key: str
    def __init__(self, instrument: _Optional[str] = ..., timeframe: _Optional[str] = ..., rows: _Optional[int] = ..., covers: _Optional[_Iterable[_Union[TimeRange, _Mapping]]] = ..., metadata: _Optional[_Mapping[str, str]] = ..., grid: _Optional[_Union[SeriesPut.Grid, str]] = ..., key: _Optional[str] = ...) -> None: ...

class WriteAck(_message.Message):
    __slots__ = ("lsn", "rows", "duplicates", "put_id")
    LSN_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    PUT_ID_FIELD_NUMBER: _ClassVar[int]
    lsn: int
    rows: int
    duplicates: int
    put_id: int
    def __init__(self, lsn: _Optional[int] = ..., rows: _Optional[int] = ..., duplicates: _Optional[int] = ..., put_id: _Optional[int] = ...) -> None: ...

class Health(_message.Message):
    __slots__ = ("ready", "version", "read_only", "reason")
    READY_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    READ_ONLY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ready: bool
    version: str
    read_only: bool
    reason: str
    def __init__(self, ready: bool = ..., version: _Optional[str] = ..., read_only: bool = ..., reason: _Optional[str] = ...) -> None: ...

class Status(_message.Message):
    __slots__ = ("version", "data_dir", "uptime_seconds", "series", "segments", "segment_bytes", "last_lsn", "flushed_lsn", "log_bytes", "memtable_rows", "memtable_bytes", "resident_bytes", "open_streams", "read_only_reason", "counters", "limits", "log_tail_lsn", "consumers", "following", "boot_id")
    class CountersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class LimitsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DATA_DIR_FIELD_NUMBER: _ClassVar[int]
    UPTIME_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    LAST_LSN_FIELD_NUMBER: _ClassVar[int]
    FLUSHED_LSN_FIELD_NUMBER: _ClassVar[int]
    LOG_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEMTABLE_ROWS_FIELD_NUMBER: _ClassVar[int]
    MEMTABLE_BYTES_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    OPEN_STREAMS_FIELD_NUMBER: _ClassVar[int]
    READ_ONLY_REASON_FIELD_NUMBER: _ClassVar[int]
    COUNTERS_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    LOG_TAIL_LSN_FIELD_NUMBER: _ClassVar[int]
    CONSUMERS_FIELD_NUMBER: _ClassVar[int]
    FOLLOWING_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    version: str
    data_dir: str
    uptime_seconds: float
    series: int
    segments: int
    segment_bytes: int
    last_lsn: int
    flushed_lsn: int
    log_bytes: int
    memtable_rows: int
    memtable_bytes: int
    resident_bytes: int
    open_streams: int
    read_only_reason: str
    counters: _containers.ScalarMap[str, int]
    limits: _containers.ScalarMap[str, int]
    log_tail_lsn: int
    consumers: _containers.RepeatedCompositeFieldContainer[Consumer]
    following: str
    boot_id: str
    def __init__(self, version: _Optional[str] = ..., data_dir: _Optional[str] = ..., uptime_seconds: _Optional[float] = ..., series: _Optional[int] = ..., segments: _Optional[int] = ..., segment_bytes: _Optional[int] = ..., last_lsn: _Optional[int] = ..., flushed_lsn: _Optional[int] = ..., log_bytes: _Optional[int] = ..., memtable_rows: _Optional[int] = ..., memtable_bytes: _Optional[int] = ..., resident_bytes: _Optional[int] = ..., open_streams: _Optional[int] = ..., read_only_reason: _Optional[str] = ..., counters: _Optional[_Mapping[str, int]] = ..., limits: _Optional[_Mapping[str, int]] = ..., log_tail_lsn: _Optional[int] = ..., consumers: _Optional[_Iterable[_Union[Consumer, _Mapping]]] = ..., following: _Optional[str] = ..., boot_id: _Optional[str] = ...) -> None: ...

class Consumer(_message.Message):
    __slots__ = ("name", "kind", "lsn", "state", "error", "errors")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    LSN_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    lsn: int
    state: str
    error: str
    errors: int
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., lsn: _Optional[int] = ..., state: _Optional[str] = ..., error: _Optional[str] = ..., errors: _Optional[int] = ...) -> None: ...

class Rule(_message.Message):
    __slots__ = ("name", "on", "to", "timezone", "offset", "into", "configured", "series", "stale")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ON_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    TIMEZONE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    INTO_FIELD_NUMBER: _ClassVar[int]
    CONFIGURED_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    STALE_FIELD_NUMBER: _ClassVar[int]
    name: str
    on: str
    to: _containers.RepeatedScalarFieldContainer[str]
    timezone: str
    offset: str
    into: str
    configured: bool
    series: int
    stale: int
    def __init__(self, name: _Optional[str] = ..., on: _Optional[str] = ..., to: _Optional[_Iterable[str]] = ..., timezone: _Optional[str] = ..., offset: _Optional[str] = ..., into: _Optional[str] = ..., configured: bool = ..., series: _Optional[int] = ..., stale: _Optional[int] = ...) -> None: ...

class Rules(_message.Message):
    __slots__ = ("rules",)
    RULES_FIELD_NUMBER: _ClassVar[int]
    rules: _containers.RepeatedCompositeFieldContainer[Rule]
    def __init__(self, rules: _Optional[_Iterable[_Union[Rule, _Mapping]]] = ...) -> None: ...

class RuleRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class SyncRequest(_message.Message):
    __slots__ = ("lsn", "consumers", "timeout_seconds")
    LSN_FIELD_NUMBER: _ClassVar[int]
    CONSUMERS_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    lsn: int
    consumers: _containers.RepeatedScalarFieldContainer[str]
    timeout_seconds: float
    def __init__(self, lsn: _Optional[int] = ..., consumers: _Optional[_Iterable[str]] = ..., timeout_seconds: _Optional[float] = ...) -> None: ...

class SyncResult(_message.Message):
    __slots__ = ("lsn", "behind")
    LSN_FIELD_NUMBER: _ClassVar[int]
    BEHIND_FIELD_NUMBER: _ClassVar[int]
    lsn: int
    behind: _containers.RepeatedCompositeFieldContainer[Consumer]
    def __init__(self, lsn: _Optional[int] = ..., behind: _Optional[_Iterable[_Union[Consumer, _Mapping]]] = ...) -> None: ...

class RangeRequest(_message.Message):
    __slots__ = ("series", "range", "snapshot")
    SERIES_FIELD_NUMBER: _ClassVar[int]
    RANGE_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    series: Series
    range: TimeRange
    snapshot: str
    def __init__(self, series: _Optional[_Union[Series, _Mapping]] = ..., range: _Optional[_Union[TimeRange, _Mapping]] = ..., snapshot: _Optional[str] = ...) -> None: ...

class Ranges(_message.Message):
    __slots__ = ("ranges",)
    RANGES_FIELD_NUMBER: _ClassVar[int]
    ranges: _containers.RepeatedCompositeFieldContainer[TimeRange]
    def __init__(self, ranges: _Optional[_Iterable[_Union[TimeRange, _Mapping]]] = ...) -> None: ...

class DeleteRequest(_message.Message):
    __slots__ = ("series", "range")
    SERIES_FIELD_NUMBER: _ClassVar[int]
    RANGE_FIELD_NUMBER: _ClassVar[int]
    series: Series
    range: TimeRange
    def __init__(self, series: _Optional[_Union[Series, _Mapping]] = ..., range: _Optional[_Union[TimeRange, _Mapping]] = ...) -> None: ...

class DescribeRequest(_message.Message):
    __slots__ = ("series", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SERIES_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    series: Series
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, series: _Optional[_Union[Series, _Mapping]] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class SnapshotRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class Snapshot(_message.Message):
    __slots__ = ("name", "lsn", "created", "series")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LSN_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    name: str
    lsn: int
    created: int
    series: int
    def __init__(self, name: _Optional[str] = ..., lsn: _Optional[int] = ..., created: _Optional[int] = ..., series: _Optional[int] = ...) -> None: ...

class Snapshots(_message.Message):
    __slots__ = ("snapshots",)
    SNAPSHOTS_FIELD_NUMBER: _ClassVar[int]
    snapshots: _containers.RepeatedCompositeFieldContainer[Snapshot]
    def __init__(self, snapshots: _Optional[_Iterable[_Union[Snapshot, _Mapping]]] = ...) -> None: ...

class CompactRequest(_message.Message):
    __slots__ = ("full",)
    FULL_FIELD_NUMBER: _ClassVar[int]
    full: bool
    def __init__(self, full: bool = ...) -> None: ...

class CompactResult(_message.Message):
    __slots__ = ("merged_segments", "new_segments", "bytes_written")
    MERGED_SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    NEW_SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    BYTES_WRITTEN_FIELD_NUMBER: _ClassVar[int]
    merged_segments: int
    new_segments: int
    bytes_written: int
    def __init__(self, merged_segments: _Optional[int] = ..., new_segments: _Optional[int] = ..., bytes_written: _Optional[int] = ...) -> None: ...

class VerifyProgress(_message.Message):
    __slots__ = ("files_done", "files_total", "bytes_done", "damage", "finished")
    FILES_DONE_FIELD_NUMBER: _ClassVar[int]
    FILES_TOTAL_FIELD_NUMBER: _ClassVar[int]
    BYTES_DONE_FIELD_NUMBER: _ClassVar[int]
    DAMAGE_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    files_done: int
    files_total: int
    bytes_done: int
    damage: _containers.RepeatedScalarFieldContainer[str]
    finished: bool
    def __init__(self, files_done: _Optional[int] = ..., files_total: _Optional[int] = ..., bytes_done: _Optional[int] = ..., damage: _Optional[_Iterable[str]] = ..., finished: bool = ...) -> None: ...

class BackupRequest(_message.Message):
    __slots__ = ("destination",)
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    destination: str
    def __init__(self, destination: _Optional[str] = ...) -> None: ...

class BackupResult(_message.Message):
    __slots__ = ("destination", "files", "bytes", "lsn")
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    LSN_FIELD_NUMBER: _ClassVar[int]
    destination: str
    files: int
    bytes: int
    lsn: int
    def __init__(self, destination: _Optional[str] = ..., files: _Optional[int] = ..., bytes: _Optional[int] = ..., lsn: _Optional[int] = ...) -> None: ...

class ErrorDetail(_message.Message):
    __slots__ = ("code", "message", "suggestions")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    SUGGESTIONS_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    suggestions: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., suggestions: _Optional[_Iterable[str]] = ...) -> None: ...

class LogRecord(_message.Message):
    __slots__ = ("put", "delete", "describe", "rule")
    PUT_FIELD_NUMBER: _ClassVar[int]
    DELETE_FIELD_NUMBER: _ClassVar[int]
    DESCRIBE_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    put: LogPut
    delete: LogDelete
    describe: LogDescribe
    rule: LogRule
    def __init__(self, put: _Optional[_Union[LogPut, _Mapping]] = ..., delete: _Optional[_Union[LogDelete, _Mapping]] = ..., describe: _Optional[_Union[LogDescribe, _Mapping]] = ..., rule: _Optional[_Union[LogRule, _Mapping]] = ...) -> None: ...

class LogPut(_message.Message):
    __slots__ = ("put_id", "runs", "dataset", "columns", "dataset_id", "received")
    PUT_ID_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    put_id: int
    runs: _containers.RepeatedCompositeFieldContainer[LogRun]
    dataset: LogDataset
    columns: int
    dataset_id: int
    received: int
    def __init__(self, put_id: _Optional[int] = ..., runs: _Optional[_Iterable[_Union[LogRun, _Mapping]]] = ..., dataset: _Optional[_Union[LogDataset, _Mapping]] = ..., columns: _Optional[int] = ..., dataset_id: _Optional[int] = ..., received: _Optional[int] = ...) -> None: ...

class LogRun(_message.Message):
    __slots__ = ("series", "rows", "covers", "define", "metadata", "segments")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SERIES_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COVERS_FIELD_NUMBER: _ClassVar[int]
    DEFINE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    series: int
    rows: int
    covers: _containers.RepeatedScalarFieldContainer[int]
    define: LogSeries
    metadata: _containers.ScalarMap[str, str]
    segments: _containers.RepeatedCompositeFieldContainer[LogSegment]
    def __init__(self, series: _Optional[int] = ..., rows: _Optional[int] = ..., covers: _Optional[_Iterable[int]] = ..., define: _Optional[_Union[LogSeries, _Mapping]] = ..., metadata: _Optional[_Mapping[str, str]] = ..., segments: _Optional[_Iterable[_Union[LogSegment, _Mapping]]] = ...) -> None: ...

class LogSeries(_message.Message):
    __slots__ = ("instrument", "timeframe", "free_grid")
    INSTRUMENT_FIELD_NUMBER: _ClassVar[int]
    TIMEFRAME_FIELD_NUMBER: _ClassVar[int]
    FREE_GRID_FIELD_NUMBER: _ClassVar[int]
    instrument: str
    timeframe: str
    free_grid: bool
    def __init__(self, instrument: _Optional[str] = ..., timeframe: _Optional[str] = ..., free_grid: bool = ...) -> None: ...

class LogDataset(_message.Message):
    __slots__ = ("name", "schema", "key_has_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    KEY_HAS_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    schema: bytes
    key_has_id: bool
    def __init__(self, name: _Optional[str] = ..., schema: _Optional[bytes] = ..., key_has_id: bool = ...) -> None: ...

class LogSegment(_message.Message):
    __slots__ = ("id", "file", "rows", "min_ts", "max_ts", "size", "crc", "index", "columns", "codec")
    ID_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    MIN_TS_FIELD_NUMBER: _ClassVar[int]
    MAX_TS_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    CRC_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    CODEC_FIELD_NUMBER: _ClassVar[int]
    id: int
    file: str
    rows: int
    min_ts: int
    max_ts: int
    size: int
    crc: int
    index: bytes
    columns: int
    codec: str
    def __init__(self, id: _Optional[int] = ..., file: _Optional[str] = ..., rows: _Optional[int] = ..., min_ts: _Optional[int] = ..., max_ts: _Optional[int] = ..., size: _Optional[int] = ..., crc: _Optional[int] = ..., index: _Optional[bytes] = ..., columns: _Optional[int] = ..., codec: _Optional[str] = ...) -> None: ...

class LogDelete(_message.Message):
    __slots__ = ("series", "whole_series", "range", "retention", "name", "gone")
    SERIES_FIELD_NUMBER: _ClassVar[int]
    WHOLE_SERIES_FIELD_NUMBER: _ClassVar[int]
    RANGE_FIELD_NUMBER: _ClassVar[int]
    RETENTION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    GONE_FIELD_NUMBER: _ClassVar[int]
    series: int
    whole_series: bool
    range: TimeRange
    retention: bool
    name: Series
    gone: LogGone
    def __init__(self, series: _Optional[int] = ..., whole_series: bool = ..., range: _Optional[_Union[TimeRange, _Mapping]] = ..., retention: bool = ..., name: _Optional[_Union[Series, _Mapping]] = ..., gone: _Optional[_Union[LogGone, _Mapping]] = ...) -> None: ...

class LogRule(_message.Message):
    __slots__ = ("rule", "removed", "gone")
    RULE_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    GONE_FIELD_NUMBER: _ClassVar[int]
    rule: Rule
    removed: bool
    gone: LogGone
    def __init__(self, rule: _Optional[_Union[Rule, _Mapping]] = ..., removed: bool = ..., gone: _Optional[_Union[LogGone, _Mapping]] = ...) -> None: ...

class LogGone(_message.Message):
    __slots__ = ("series",)
    SERIES_FIELD_NUMBER: _ClassVar[int]
    series: _containers.RepeatedCompositeFieldContainer[Series]
    def __init__(self, series: _Optional[_Iterable[_Union[Series, _Mapping]]] = ...) -> None: ...

class LogDescribe(_message.Message):
    __slots__ = ("series", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SERIES_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    series: int
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, series: _Optional[int] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...
