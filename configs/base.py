"""Every option with its default; recipes import ``get_config`` and change a few lines.

Override any of them on the command line, for example ``--config.train.steps=800``.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """The defaults."""
    config = ConfigDict()
    config.experiment = "augmentation"  # a module of experiments/
    config.seed = 0  # of simulation, subsampling, folds, codec, draws and classifier

    config.also_write = ()  # formats of the synthetic records beside netCDF: "hdf5" is for gc-ims-tools, "zarr", "npz"

    config.data = ConfigDict()
    # A file of many records, or a folder of files as Class/file or Class/Sample/file; empty: the simulated set.
    config.data.path = ""
    config.data.group_column = "group"  # what stays together: a column of the table or of the file, for example "batch"
    config.data.class_counts = ()  # records drawn per class, sorted by class name; () keeps all
    # Folders only: a table (.csv, .xlsx) of file names, labels and groups instead of class folders, and filters.
    config.data.table = ""
    config.data.classes = ()  # labels to keep; () keeps all
    config.data.pattern = ""  # file names to keep, for example "*_day1_*"
    # Folders only: "low:high:step" in the axis' unit; "" takes the range that all files have in common.
    config.data.slow_grid = ""
    config.data.fast_grid = ""
    config.data.drop_short = (
        False  # folders only: leave out files that do not cover this grid, or nine tenths of the usual range
    )
    config.data.rip_relative = False  # drift times in multiples of each record's reactant ion peak
    # Each record by itself, before anything else sees it.
    config.data.smooth_slow = 0  # points of a Savitzky–Golay window, odd; 0 does not smooth
    config.data.smooth_fast = 0
    config.data.baseline = ""  # "tophat", "snip", "asls" or "arpls" of each drift spectrum is subtracted
    config.data.baseline_window = 30  # half-width in points of the widest peak to keep: tophat, snip
    config.data.baseline_lam = 1e6  # stiffness: asls, arpls
    config.data.baseline_p = 1e-3  # asymmetry: asls
    # The simulated set only; see gcims_jax/simulation/gcims.py.
    config.data.n_retention = 512
    config.data.n_drift = 1024
    config.data.each = 0  # records of each species; 0: 66 to 20, 220 in all
    config.data.misalignment = 1.0  # how far peaks move between runs, relative to what was measured
    config.data.coupling_sd = 0.0  # drift times change with retention time by this share
    config.data.batch_log_sd = 0.18  # intensity between batches
    config.data.batch_skew = 0.0  # above 0: every class has batches of its own, the more the larger
    config.data.gain_log_sd = 0.0  # sensitivity between runs, smooth along the drift axis
    config.data.absent = 0.0  # chance that a culture does without a marker of its species
    config.data.tail = 0.0  # degrees of freedom of the amounts, Student's t; 0 is normal

    config.preprocess = ConfigDict()
    # "low:high" in the axis' unit, "" keeps all, "auto" keeps all of a file and the analyte window of the simulated set.
    config.preprocess.slow_range = "auto"
    config.preprocess.fast_range = "auto"
    config.preprocess.wavelet = "db3"
    # Halvings of an axis; -1: as many as leave at least so many points.
    config.preprocess.slow_level = -1
    config.preprocess.fast_level = -1
    config.preprocess.points = 96
    config.preprocess.log = True
    config.preprocess.log_knee = 10.0  # in median absolute deviations from the baseline
    # Largest shift in the slow axis' unit that brings a record into step with the training records; 0 does not align.
    config.preprocess.align = 0.0

    config.codec = ConfigDict()
    config.codec.latent = 16  # d
    config.codec.start = "linear"  # the best linear codec, then both stages together; "random": as published
    config.codec.patch = 32
    config.codec.width = 64
    config.codec.depth = 1
    config.codec.heads = 2
    config.codec.activation = "gelu"
    config.codec.dropout = 0.0
    config.codec.latent_noise = 0.0  # added in training, in units of each latent's spread; linear start only
    config.codec.kl = 0.0  # β of a variational latent with learned noise, smooth for every sampler; linear start only

    config.loss = ConfigDict()  # linear start only; see gcims_jax/codec/losses.py
    config.loss.weight = "none"  # "noise" or "prominence": more for small peaks
    config.loss.gain = 10.0
    config.loss.multiscale = 0.0
    config.loss.derivative = 0.0
    config.loss.linear = 0.0  # share of the error in the input's unit

    config.perturb = ConfigDict()  # of the codec's training records, linear start only; see gcims_jax/codec/perturb.py
    config.perturb.shift = 0
    config.perturb.warp = 0.0
    config.perturb.intensity = 0.0

    config.series = ConfigDict()  # random start only: drift series below this fraction of the mean variance are thinned
    config.series.threshold = 0.1
    config.series.kept_fraction = 0.2

    config.train = ConfigDict()
    config.train.steps = 400
    config.train.batch = 4  # records; with a random start, series
    config.train.optimiser = "muon"
    config.train.learning_rate = 2e-2
    config.train.weight_decay = 0.03
    config.train.warmup = 0.05
    config.train.clip = 1.0
    config.train.evaluate_every = 50
    config.train.patience = 0
    config.train.give_up = 0.6  # share of the steps without any gain after which training stops
    config.train.validation_fraction = 0.1
    config.train.validation_series = 1024
    config.train.checkpoint_seconds = 30.0
    config.train.ensemble = "auto"  # folds' codecs trained together: "on", "off"; auto does so on accelerators

    config.sampler = ConfigDict()
    config.sampler.name = "rda"  # a key of gcims_jax.samplers.SAMPLERS
    # What the sampler takes of these, a number or a word that it knows; "" is its own default.
    config.sampler.ridge = ""  # λ, relative to the mean variance; likelihood, ledoit_wolf, oas
    config.sampler.alpha = ""  # α, share of pooled covariance; likelihood
    config.sampler.bandwidth = ""  # h of the smoothed bootstrap; likelihood, silverman
    config.sampler.neighbours = ""  # classes to borrow from, or records to interpolate to
    config.sampler.components = ""  # of a mixture
    config.sampler.directions = ""  # that mixtures and networks model
    config.sampler.steps = ""  # of training a network

    config.sampler_study = ConfigDict()  # experiment "sampler_study"; "diagnostics" takes its samplers
    config.sampler_study.samplers = ()  # () compares all
    config.sampler_study.ridges = ()  # λ to try beside each sampler's own choice
    config.sampler_study.latents = ()  # values of d; () is codec.latent
    config.sampler_study.records_per_class = ()  # most training records of a class, 0 for all; () is all

    config.classifier = ConfigDict()
    config.classifier.name = "pca_rf"
    config.classifier.components = 22
    config.classifier.trees = 100
    config.classifier.cost = 0.0  # C of svm and pca_logistic, 0 is the usual one; studies choose it inside
    config.classifier.class_weights = False

    config.protocol = ConfigDict()
    config.protocol.names = "strict"  # "strict", "paper" (leaks) or "strict,paper"
    config.protocol.folds = 5
    config.protocol.repeats = 0  # 0: one, or with a budget as many as the word needs
    # Minutes of the folds in augment, augmentation and leaderboard: they end with the repeat in which these are over, or earlier
    # where more repeats cannot change the word. 0: no budget, all repeats are done.
    config.protocol.budget_minutes = 0.0
    config.protocol.grouped = True  # every group on one side of each split; False splits replicates, which leaks
    config.protocol.leave_one_group_out = False  # True makes every group, a batch for example, a fold
    # Above 0: so many training records of a class, all others are tested, in "repeats" draws instead of folds.
    config.protocol.train_per_class = 0
    config.protocol.ratio = 1.0  # synthetic records per training record
    config.protocol.balanced = False  # True draws every class up to 1 + ratio times the largest

    config.study = ConfigDict()  # experiments "leaderboard", "ratio", "learning_curve", "minority"
    # "class_weights", or keys of gcims_jax.generators.GENERATORS, with options as in "warp:size=2".
    config.study.candidates = ("latent_rda", "warp")
    config.study.ratios = (1.0, 5.0)  # synthetic records per training record; balanced, beyond the largest class
    config.study.modes = ("proportional", "balanced")
    config.study.classifiers = ("pca_rf", "svm")  # the same with synthetic records and without
    config.study.codec = "tucker"  # linear and free; "transformers" is the method's own
    # Of each training part, by which doses, settings and classifiers are chosen; one chooses badly (benchmarks/README.md).
    config.study.inner_splits = 3
    config.study.records_per_class = (0,)  # most training records of a class, 0 for all

    config.sanity_class = ""  # experiment "synthetic_sanity": whose peaks are shown; "" takes the largest class

    config.calibration = ConfigDict()  # experiment "calibrate_verdict"
    config.calibration.data_sets = 100  # in each condition where nothing helps
    config.calibration.planted_data_sets = 100  # in each condition where something does
    # One entry a setting: "even" or "tailed"; classifier; records; repeats; measurements of one sample; batches, 0 for none.
    config.calibration.sources = ("even", "even", "even")
    config.calibration.judges = ("pca_nearest", "pls_da", "pls_da")
    config.calibration.records = (60, 200, 144)
    config.calibration.repeats = (5, 8, 4)
    config.calibration.measurements = (1, 1, 3)
    config.calibration.batches = (0, 0, 0)
    config.calibration.files = ()  # of real records, whose names are then given at random: svm, 120 records, 3 repeats
    config.calibration.ratios = (1.0, 4.0)  # of the planted gains: synthetic records per training record
    config.calibration.folds = 5
    config.calibration.training_sets = 60  # by which the true gain of a population is measured
    config.calibration.search_steps = 120  # for the share of wrong labels at which fresh records neither help nor hurt

    config.benchmark = ConfigDict()  # the command "benchmark"
    config.benchmark.sets = ()  # simulated sets by name; () takes all, or none where there are files
    config.benchmark.files = ()  # of real records
    config.benchmark.per_class = (
        5,
        10,
        20,
        40,
    )  # training records of a class; those that a set is too small for are left out
    config.benchmark.draws = 20

    config.codec_study = ConfigDict()  # of the experiments on the codec itself
    config.codec_study.draws = 5  # splits: the first folds
    config.codec_study.train_records = 0  # above 0: random draws of so many training records instead of folds
    config.codec_study.paper_splits = 2  # splits on which the paper's recipe is trained too
    config.codec_study.latents = (4, 8, 16, 32, 64)
    config.codec_study.groups = ("regularisation", "loss", "architecture")  # of changes to try
    config.codec_study.records = (20, 60, 176)  # numbers of training records to compare
    # Experiment "instrument_peaks": rows of a window of every second row, and from one training window to the next.
    config.codec_study.window_rows = 56
    config.codec_study.window_step = 2
    return config
