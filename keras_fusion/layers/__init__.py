"""Fusion layers: tensors in, tensors out. They know Keras and nothing else of this package."""

from keras_fusion.layers._steps import RepeatSteps, SplitSteps
from keras_fusion.layers.average_axes import AverageAxes
from keras_fusion.layers.bottleneck_fusion import BottleneckFusion
from keras_fusion.layers.central_fusion import CentralFusion
from keras_fusion.layers.class_prototypes import ClassPrototypes
from keras_fusion.layers.cooccurrence_regularization import CooccurrenceRegularization
from keras_fusion.layers.cross_connection_nd import CrossConnectionND
from keras_fusion.layers.cross_connections import CrossConnection1D2D, CrossConnection2D1D
from keras_fusion.layers.cross_modal_attention import CrossModalAttention
from keras_fusion.layers.elementwise_fusion import ElementwiseFusion
from keras_fusion.layers.energy_fusion import EnergyFusion
from keras_fusion.layers.evidence_fusion import EvidenceFusion
from keras_fusion.layers.film import FiLM
from keras_fusion.layers.fusion_layer import FusionLayer
from keras_fusion.layers.gated_multimodal_unit import GatedMultimodalUnit
from keras_fusion.layers.gradient_gate import GradientGate
from keras_fusion.layers.hidden_crf import HiddenCRF
from keras_fusion.layers.latent_fusion import LatentFusion
from keras_fusion.layers.linear_chain_crf import LinearChainCRF
from keras_fusion.layers.low_rank_fusion import LowRankFusion
from keras_fusion.layers.mask_absent_steps import MaskAbsentSteps
from keras_fusion.layers.masked_average import MaskedAverage
from keras_fusion.layers.maxout import Maxout
from keras_fusion.layers.modality_gate import ModalityGate
from keras_fusion.layers.modality_mask import ModalityMask
from keras_fusion.layers.moddrop import ModDrop
from keras_fusion.layers.modout import Modout
from keras_fusion.layers.multi_interactive_memory import MultiInteractiveMemory
from keras_fusion.layers.multiple_kernel_fusion import MultipleKernelFusion
from keras_fusion.layers.pad_features import PadFeatures
from keras_fusion.layers.pad_frames import PadFrames
from keras_fusion.layers.preprocess_images import PreprocessImages
from keras_fusion.layers.probabilities import NormalizeProbabilities, ProbabilitiesToLogits
from keras_fusion.layers.resample_time import ResampleTime
from keras_fusion.layers.residual_gating import ResidualGating
from keras_fusion.layers.score_rules import ScoreRule
from keras_fusion.layers.shared_specific_fusion import SharedSpecificFusion
from keras_fusion.layers.shared_specific_transfer import SharedSpecificTransfer
from keras_fusion.layers.tensor_fusion import TensorFusion
from keras_fusion.layers.transformer_fusion import TransformerFusion
from keras_fusion.layers.weakly_shared_dense import WeaklySharedDense
from keras_fusion.layers.weighted_mean import WeightedMean
from keras_fusion.layers.zero_masked_steps import ZeroMaskedSteps

__all__ = [
    "AverageAxes",
    "BottleneckFusion",
    "CentralFusion",
    "ClassPrototypes",
    "CooccurrenceRegularization",
    "CrossConnection1D2D",
    "CrossConnection2D1D",
    "CrossConnectionND",
    "CrossModalAttention",
    "ElementwiseFusion",
    "EnergyFusion",
    "EvidenceFusion",
    "FiLM",
    "FusionLayer",
    "GatedMultimodalUnit",
    "GradientGate",
    "HiddenCRF",
    "LatentFusion",
    "LinearChainCRF",
    "LowRankFusion",
    "MaskAbsentSteps",
    "MaskedAverage",
    "Maxout",
    "ModDrop",
    "ModalityGate",
    "ModalityMask",
    "Modout",
    "MultiInteractiveMemory",
    "MultipleKernelFusion",
    "NormalizeProbabilities",
    "PadFeatures",
    "PadFrames",
    "PreprocessImages",
    "ProbabilitiesToLogits",
    "ResampleTime",
    "ResidualGating",
    "ScoreRule",
    "SharedSpecificFusion",
    "SharedSpecificTransfer",
    "TensorFusion",
    "TransformerFusion",
    "WeaklySharedDense",
    "WeightedMean",
    "ZeroMaskedSteps",
]
