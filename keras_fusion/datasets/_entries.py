"""What `catalogue.info` says of each data set."""

_MNIST = "MNIST, Y. LeCun, C. Cortes, C. Burges"
_CENTRALNET = (
    "Vielzeuf et al., CentralNet: a Multilayer Approach for Multimodal Fusion, ECCV Workshops 2018"
)
_XFLOW = (
    "Cangea et al., XFlow: cross-modal deep neural networks for audiovisual classification, 2019"
)
_FILES_BY_PART = "{part}_labels.npy, with part = train, validation, test (our layout)"
_BY_PERSON = "folds of people; the people of the next fold validate (ours)"

ENTRIES = {
    "afew": dict(
        modalities={"audio": (1583,), "video": (512,)},
        target="one of 7 emotions",
        samples={"all": 1156},
        split="that of the files",
        origin="AFEW, clips of movies: https://sites.google.com/view/emotiw2018",
        licence="for research, on request from the organizers",
        citation="Dhall et al., Collecting large, richly annotated facial-expression databases "
        "from movies, IEEE MultiMedia 19, 2012",
        files=f"afew/{{part}}_audio.npy, {{part}}_video.npy, {_FILES_BY_PART}",
        download="ask the organizers for the clips; compute openSMILE features of the sound "
        "and those of a face network, and save them with numpy.save",
    ),
    "audioset": dict(
        modalities={"audio": (512, 512, 1), "video": (16, 256, 256, 3)},
        target="211 labels, several at once",
        samples={"all": 19842},
        split="that of the files",
        origin="AudioSet, domestic animals: https://research.google.com/audioset/",
        licence="labels CC BY 4.0; the videos are their owners'",
        citation="Gemmeke et al., Audio Set: An ontology and human-labeled dataset for audio "
        "events, ICASSP 2017",
        files=f"audioset/{{part}}_audio.npy, {{part}}_video.npy, {_FILES_BY_PART}",
        download="the lists from https://research.google.com/audioset/download.html, the "
        "videos from YouTube; save spectrograms and frames with numpy.save",
    ),
    "av_mnist": dict(
        modalities={"image": (28, 28, 1), "audio": (112, 112, 1)},
        target="one of 10 digits",
        samples={"train": 55_000, "validation": 5_000, "test": 10_000},
        split="that of MNIST and of the spoken digits (or one speaker for test); folds 1 to 3, "
        "4 and 5 of the noise",
        origin=f"made here from {_MNIST}; the Free Spoken Digit Dataset, Z. Jackson et al.; "
        "ESC-50 or ESC-10, K. Piczak",
        licence="CC BY-SA 3.0 (MNIST), CC BY-SA 4.0 (spoken digits), CC BY-NC 3.0 (ESC-50) or "
        "CC BY 3.0 (ESC-10)",
        citation=_CENTRALNET,
        files="mnist.npz; fsdd/recordings/*.wav; ESC-50/audio/*.wav and ESC-50/meta/esc50.csv, "
        "or esc10/NNN - Class/*.ogg",
        download='keras_fusion.datasets.download("av_mnist") gets it with ESC-10 as noise. By '
        "hand: mnist.npz as keras.datasets.mnist keeps it; "
        "https://github.com/Jakobovski/free-spoken-digit-dataset (release 1.0.10), as fsdd; "
        "https://github.com/karolpiczak/ESC-50, as ESC-50",
    ),
    "av_mnist_npy": dict(
        modalities={"image": (28, 28, 1), "audio": (112, 112, 1)},
        target="one of 10 digits",
        samples={"train": "50000 or 55000", "validation": 5000, "test": 10000},
        split="that of the authors' code: MFAS leaves 5000 rows unused, MultiBench none",
        origin="rebuilt AV-MNIST: https://github.com/juanmanpr/mfas and "
        "https://github.com/pliang279/MultiBench",
        licence="none is stated",
        citation="Perez-Rua et al., MFAS, CVPR 2019; Liang et al., MultiBench, NeurIPS 2021",
        files="avmnist/audio/train_data.npy, avmnist/audio/test_data.npy, the same in images "
        "(MFAS) or image (MultiBench), train_labels.npy, test_labels.npy",
        download="avmnist.tar.gz, linked in the README of MultiBench or of MFAS",
    ),
    "avletters": dict(
        modalities={"image": (80, 60, 11), "audio": (286,)},
        target="one of 26 letters",
        samples={"all": 780},
        split=f"10 {_BY_PERSON}",
        origin="AVletters, University of East Anglia",
        licence="for research, on request from the authors",
        citation="Matthews et al., Extraction of visual features for lipreading, TPAMI 24, 2002",
        files="avletters/Lips/*.mat, avletters/Audio/textmfcc/*",
        download="ask the authors",
    ),
    "bu_3dfe": dict(
        modalities={"depth": ("height", "width", 1), "rgb": ("height", "width", 3)},
        target="one of 6 expressions",
        samples={"all": "100 people x 6 expressions x 4 intensities"},
        split="10 folds of people (ours)",
        origin="http://www.cs.binghamton.edu/~lijun/Research/3DFE/3DFE_Analysis.html",
        licence="for research, on request from Binghamton University",
        citation="Yin et al., A 3D facial expression database for facial behavior research, "
        "FG 2006",
        files="BU_3DFE/F0001/F0001_AN01WH_F2D.bmp ..., and F0001_AN01WH_F3D_depth.png beside "
        "each (our layout)",
        download="ask the university; render the depth maps from the .wrl files",
    ),
    "cuave": dict(
        modalities={"image": (90, 120, 6), "audio": (156,)},
        target="one of 10 digits",
        samples={"all": 1790},
        split=f"9 {_BY_PERSON}",
        origin="CUAVE, Clemson University",
        licence="for research, on request from the authors",
        citation="Patterson et al., CUAVE: A new audio-visual database for multimodal "
        "human-computer interface research, ICASSP 2002",
        files="CUAVE/Video frames/*, CUAVE/MFCCs/*.mfcc (as XFlow writes them)",
        download="ask the authors; make the files as https://github.com/catalina17/XFlow does",
    ),
    "grid_digits": dict(
        modalities={"lips": (12, 32, 48, 1), "audio": (3840,)},
        target="one of 10 digits",
        samples={"train": 699, "validation": 100, "test": 200},
        split="that of the file (ours), stratified by digit",
        origin="talker s1 of the GRID corpus: https://doi.org/10.5281/zenodo.3625687",
        licence="CC BY 4.0",
        citation="Cooke et al., An audio-visual corpus for speech perception and automatic "
        "speech recognition, JASA 120, 2006",
        files="grid_s1_digits/grid_s1_digits.npz",
        download="talker s1 from the address above, each recording cut to its digit",
    ),
    "mfeat": dict(
        modalities={
            "fac": (216,),
            "fou": (76,),
            "kar": (64,),
            "mor": (6,),
            "pix": (240,),
            "zer": (47,),
        },
        target="one of 10 digits",
        samples={"train": 1400, "validation": 200, "test": 400},
        split="ours, stratified by digit, fixed",
        origin="UCI Machine Learning Repository: https://doi.org/10.24432/C5HC70",
        licence="CC BY 4.0",
        citation="Duin, Multiple Features, UCI, 1998; van Breukelen et al., Handwritten digit "
        "recognition by combined classifiers, Kybernetika 34, 1998",
        files="mfeat/mfeat-fac, mfeat-fou, mfeat-kar, mfeat-mor, mfeat-pix, mfeat-zer; or "
        "mfeat/mfeat.npz",
        download='keras_fusion.datasets.download("mfeat"), or the six files from the address above',
    ),
    "mm_digits": dict(
        modalities={"image_a": (8, 8, 1), "image_b": (8, 8, 1)},
        target="one of 10 digits",
        samples={"train": 1197, "validation": 200, "test": 400},
        split="ours, stratified by digit, fixed",
        origin="UCI Machine Learning Repository: https://doi.org/10.24432/C50P49",
        licence="CC BY 4.0",
        citation="Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998; "
        + _CENTRALNET,
        files="none: they come with scikit-learn",
        download="nothing",
    ),
    "mm_imdb": dict(
        modalities={"text": (300,), "image": (4096,)},
        target="23 genres, several at once",
        samples={"train": 15552, "validation": 2608, "test": 7799},
        split="that of the file",
        origin="http://lisi1.unal.edu.co/mmimdb/",
        licence="for research; plots and posters are their owners'",
        citation="Arevalo et al., Gated Multimodal Units for Information Fusion, ICLR "
        "Workshops 2017",
        files="mmimdb/multimodal_imdb.hdf5",
        download="multimodal_imdb.hdf5 (8 GB) from the address above",
    ),
    "mm_mnist": dict(
        modalities={"image_a": (28, 28, 1), "image_b": (28, 28, 1)},
        target="one of 10 digits",
        samples={"train": 55000, "validation": 5000, "test": 10000},
        split="MNIST's own; validation are the last training images",
        origin=f"{_MNIST}: http://yann.lecun.com/exdb/mnist/",
        licence="CC BY-SA 3.0",
        citation=_CENTRALNET,
        files="mnist.npz; without a folder it is downloaded",
        download="nothing: keras.datasets.mnist does it (11 MB)",
    ),
    "montalbano": dict(
        modalities=dict.fromkeys(("audio", "left_hand", "mocap", "right_hand"), (400,)),
        target="one of 20 gestures or none",
        samples={"all": "more than 14000"},
        split="that of the files",
        origin="ChaLearn Looking at People 2014: "
        "https://chalearnlap.cvc.uab.cat/dataset/13/description/",
        licence="on request from the organizers",
        citation="Escalera et al., ChaLearn Looking at People Challenge 2014, ECCV Workshops "
        "2014; Neverova et al., ModDrop, TPAMI 2016",
        files="montalbano/{part}_audio.npy, {part}_left_hand.npy, {part}_mocap.npy, "
        f"{{part}}_right_hand.npy, {_FILES_BY_PART}",
        download="the features from the authors of ModDrop, saved with numpy.save",
    ),
    "tcga_breast": dict(
        modalities={"mirna": (184,), "mrna": (200,), "protein": (142,)},
        target="one of 3 subtypes of tumour",
        samples={"train": 120, "validation": 30, "test": 70},
        split="the source's train and test; validation ours, stratified; no protein at test",
        origin="The Cancer Genome Atlas, object breast.TCGA of mixOmics: https://mixomics.org",
        licence="free to use and share (NIH Genomic Data Sharing Policy)",
        citation="Singh et al., DIABLO, Bioinformatics 35, 2019",
        files="tcga_breast/tcga_breast.npz",
        download="the R package mixOmics; save the matrices of breast.TCGA as arrays, see "
        "the docstring of the module",
    ),
    "washington_rgbd": dict(
        modalities={"depth": ("height", "width", 1), "rgb": ("height", "width", 3)},
        target="one of 51 categories of objects",
        samples={"all": 4500},
        split="10 or 5 folds (ours), stratified by category",
        origin="https://rgbd-dataset.cs.washington.edu",
        licence="for research and other uses that are not commercial",
        citation="Lai et al., A large-scale hierarchical multi-view RGB-D object dataset, "
        "ICRA 2011",
        files="rgbd-dataset/apple/apple_1/apple_1_1_1_crop.png, ..._depthcrop.png and so on",
        download="rgbd-dataset_eval.tar from the address above",
    ),
    "womens_clothing": dict(
        modalities={"text": (), "table": (7,)},
        target="one of 6 departments, recommended or not, or one of 3 ratings",
        samples={"train": 15835, "validation": 2262, "test": 4524},
        split="ours, stratified by department, fixed",
        origin="https://www.kaggle.com/datasets/nicapotato/womens-ecommerce-clothing-reviews",
        licence="CC0",
        citation="Brooks, Women's E-Commerce Clothing Reviews, Kaggle, 2018",
        files="womens_clothing/reviews.csv.gz or "
        "womens_clothing/Womens Clothing E-Commerce Reviews.csv",
        download="the second file from the address above",
    ),
    "xflow_digits": dict(
        modalities={"image": (90, 120, 6), "audio": (156,)},
        target="one of 10 digits",
        samples={"all": 750},
        split=f"15 {_BY_PERSON}",
        origin="Digits: https://github.com/catalina17/XFlow",
        licence="none is stated",
        citation=_XFLOW,
        files="Digits/Video frames/*, Digits/MFCCs/* (or, with spectrogram=True, "
        "Digits/Spectrograms/*)",
        download="linked at the address above",
    ),
}
