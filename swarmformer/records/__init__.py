"""What is written on disk, defined once: typed, versioned, checksummed. Imports no torch.

plan.json, registered.json      a grid: what is to run, and what was planned before the first run
extended.json                   what was planned before the first run of seeds that were added later
tuning.json                     what was tried for its arms before the seeds that count, and what was chosen
precision.json                  what its arms compute in, where it is left to the machine
floors.json, costs.json         baselines and oracles of its task; seconds of its arms
config.json, result.json, failure.json, environment.json, curve.jsonl, predictions.npz      a cell
                                (of running text losses.npz)
config.json, trial.json, failure.json, environment.json, curve.jsonl                        a trial, which only tunes
runs.parquet                    all of a finished grid, sealed into one file
answers.npz, asked_*.npz        what such a file keeps of predictions, laid out: of a cell; the examples, beside cells
progress.json                   how far a cell or a trial that runs is
costs.json, figures.json, gpu.json      what ``swarmformer bench`` measured, with what was asked and on what machine
accuracy.json, profile.json     what ``python -m experiments.speed.accuracy`` and ``….profile`` measured
properties.json, norms.json     what ``python -m experiments.properties`` measured, and its ``norms``
"""

from .aliases import former_keys, todays_key
from .archive import ARCHIVE
from .base import (
    Count,
    Document,
    NotNegative,
    Positive,
    Record,
    Share,
    UnreadableFileError,
    folder_written_whole,
    load,
    load_json,
    save,
    save_json,
    scratch_folder,
    write_bytes_atomically,
)
from .benchmark import BenchmarkCosts, BenchmarkRow, LimitsOf, MeasuredCosts, MissingRow
from .costs import LIMIT_TOLERANCE, Costs, Floor, Floors, FloorsElsewhere, Gap, Latency, MachineLimits, Measurement
from .curve import KINDS, CurveLine, StageLine, TestLine, TrainLine, ValidationLine, read_curve
from .environment import Code, Environment, Start, Supplier
from .gpu import Gpu, GpuBenchmark, GpuPass, UntimedPass
from .names import (
    CHECKPOINT,
    CONFIG,
    COSTS,
    CURVE,
    ENVIRONMENT,
    EXTENDED,
    FAILURE,
    FIGURES,
    FLOORS,
    GPU,
    LOG,
    LOSSES,
    OUTPUT,
    PLAN,
    PRECISION,
    PREDICTIONS,
    PROFILE,
    PROGRESS,
    REGISTERED,
    RESULT,
    TRIAL,
    TUNING,
)
from .plan import (
    DECIDED,
    FACTORIALS,
    TUNED,
    Design,
    DesignKind,
    Extensions,
    Flops,
    Identity,
    Matched,
    Parameters,
    Plan,
    PlannedArm,
    PlannedCell,
    PlannedTrial,
    Primary,
    Registration,
    TrialMetric,
    TuningPlan,
    Value,
    plan_hash,
)
from .precision import ChosenPrecision, Precisions
from .predictions import (
    ANSWERS,
    Answers,
    Asked,
    Predictions,
    TokenLosses,
    read_answers,
    read_losses,
    read_predictions,
    save_predictions,
)
from .profile import OperatorTime, Profile, StepProfile
from .progress import Progress
from .properties import Norms, NormsReading, Properties
from .result_parts import (
    OF_TEXT,
    AttentionUse,
    Computing,
    DataFacts,
    EpochFlops,
    Exercise,
    Metrics,
    PaddedFlops,
    PublishedReading,
    Seconds,
    SharedTexts,
    SplitMetrics,
    Truncated,
)
from .run import Config, Failure, Result, Spec, check_file, hashes_of
from .scaling import IntervalEstimate, LocalExponent, ScalingCosts, ScalingExponents, ScalingRow
from .sealing import ArchiveError, opened, seal, unseal
from .speed import (
    AccuracyByPrecision,
    CellsPerHour,
    GridSpeed,
    SpeedBenchmark,
    SpeedRatio,
    TimedArm,
    UntimedArm,
    WayToEvaluate,
)
from .tuning import (
    RULE,
    TRIALS,
    Trial,
    TrialScore,
    Tried,
    TunedArm,
    Tuning,
    choose,
    chosen_plan,
    is_of_plan,
    read_tuning,
    save_tuning,
)
