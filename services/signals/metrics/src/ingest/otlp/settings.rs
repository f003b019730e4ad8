//! What a tenant's limits say about the translation.

use runtime::setting_enum;

use crate::limits::{CommaList, MetricsLimits};

setting_enum! {
    /// How names of OpenTelemetry become names of Prometheus.
    pub enum TranslationStrategy {
        /// Escaped; suffixes by `otel_metric_suffixes_enabled`.
        Auto = "",
        /// Other characters become underscores, unit and type are appended.
        UnderscoreEscapingWithSuffixes = "UnderscoreEscapingWithSuffixes",
        /// Other characters become underscores.
        UnderscoreEscapingWithoutSuffixes = "UnderscoreEscapingWithoutSuffixes",
        /// Names stay as they are, but that unit and type are appended.
        NoUTF8EscapingWithSuffixes = "NoUTF8EscapingWithSuffixes",
        /// Names stay as they are.
        NoTranslation = "NoTranslation",
    }
}

/// The settings of the translation of one request.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub(crate) struct Translation {
    /// Whether names are made of letters, digits and underscores.
    pub(crate) escape: bool,
    /// Whether unit and type are appended to names of metrics.
    pub(crate) suffixes: bool,
    /// Whether labels that begin with one underscore get `key` in front.
    pub(crate) prefix_underscore: bool,
    /// Whether runs of underscores in labels are kept.
    pub(crate) keep_underscores: bool,
    /// Attributes of the resource that become labels of each series.
    pub(crate) promoted: CommaList,
    /// Whether `target_info` has the attributes that `job` and `instance` are made of.
    pub(crate) keep_identifying: bool,
    /// Whether the scope becomes labels of each series.
    pub(crate) promote_scope: bool,
    /// Whether differences are stored as they come.
    pub(crate) allow_delta: bool,
    /// Whether histograms with explicit bounds become native ones.
    pub(crate) custom_buckets: bool,
    /// Whether counters get a zero where they begin.
    pub(crate) zeros: bool,
}

impl Translation {
    /// As a tenant's limits say.
    pub(crate) fn of(limits: &MetricsLimits) -> Self {
        let (escape, suffixes) = match limits.otel_translation_strategy {
            TranslationStrategy::Auto => (true, limits.otel_metric_suffixes_enabled),
            TranslationStrategy::UnderscoreEscapingWithSuffixes => (true, true),
            TranslationStrategy::UnderscoreEscapingWithoutSuffixes => (true, false),
            TranslationStrategy::NoUTF8EscapingWithSuffixes => (false, true),
            TranslationStrategy::NoTranslation => (false, false),
        };
        Self {
            escape,
            suffixes,
            prefix_underscore: limits.otel_label_name_underscore_sanitization,
            keep_underscores: limits.otel_label_name_preserve_multiple_underscores,
            promoted: limits.promote_otel_resource_attributes.clone(),
            keep_identifying: limits.otel_keep_identifying_resource_attributes,
            promote_scope: limits.otel_promote_scope_metadata,
            allow_delta: limits.otel_native_delta_ingestion,
            custom_buckets: limits.otel_convert_histograms_to_nhcb,
            zeros: limits.otel_created_timestamp_zero_ingestion_enabled,
        }
    }
}

impl Default for Translation {
    fn default() -> Self {
        Self::of(&MetricsLimits::default())
    }
}
