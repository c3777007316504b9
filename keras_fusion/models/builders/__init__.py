"""One builder per fusion method; the file registers the method."""

from keras_fusion.models.builders._xflow_connections import concatenated, connect
from keras_fusion.models.builders.bottleneck import build_bottleneck
from keras_fusion.models.builders.centralnet import build_centralnet
from keras_fusion.models.builders.concat_features import build_concat_features
from keras_fusion.models.builders.crf_fusion import build_crf_fusion
from keras_fusion.models.builders.cross_attention import build_cross_attention
from keras_fusion.models.builders.dtn import build_dtn, pretrain_dtn
from keras_fusion.models.builders.early_fusion import build_early_fusion
from keras_fusion.models.builders.ensemble import build_ensemble
from keras_fusion.models.builders.film import build_film
from keras_fusion.models.builders.fusion import build_fusion
from keras_fusion.models.builders.fusion_ensemble import build_fusion_ensemble
from keras_fusion.models.builders.gmu import build_gmu
from keras_fusion.models.builders.hybrid_fusion import build_hybrid_fusion
from keras_fusion.models.builders.interactive_memory import build_interactive_memory
from keras_fusion.models.builders.intermediate_fusion import build_intermediate_fusion
from keras_fusion.models.builders.kernel_fusion import adapt_kernels, build_kernel_fusion
from keras_fusion.models.builders.late_fusion import build_late_fusion
from keras_fusion.models.builders.late_transformer import build_late_transformer
from keras_fusion.models.builders.low_rank_fusion import build_low_rank_fusion
from keras_fusion.models.builders.modality_gated import build_modality_gated
from keras_fusion.models.builders.moddrop import build_moddrop
from keras_fusion.models.builders.quality_aware import build_quality_aware
from keras_fusion.models.builders.residual_gated import build_residual_gated
from keras_fusion.models.builders.shared_specific import build_shared_specific
from keras_fusion.models.builders.tensor_fusion import build_tensor_fusion
from keras_fusion.models.builders.trusted import build_trusted
from keras_fusion.models.builders.xflow import build_xflow

# The other names are for the rest of this package.
__all__ = [
    "build_bottleneck",
    "build_centralnet",
    "build_concat_features",
    "build_crf_fusion",
    "build_cross_attention",
    "build_dtn",
    "build_early_fusion",
    "build_ensemble",
    "build_film",
    "build_fusion",
    "build_fusion_ensemble",
    "build_gmu",
    "build_hybrid_fusion",
    "build_interactive_memory",
    "build_intermediate_fusion",
    "build_kernel_fusion",
    "build_late_fusion",
    "build_late_transformer",
    "build_low_rank_fusion",
    "build_modality_gated",
    "build_moddrop",
    "build_quality_aware",
    "build_residual_gated",
    "build_shared_specific",
    "build_tensor_fusion",
    "build_trusted",
    "build_xflow",
]
